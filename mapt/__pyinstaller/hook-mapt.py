"""What modules of MAPT read beside themselves: configurations, statistics, templates, the record of the build."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("mapt")
