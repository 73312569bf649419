"""PyInstaller hook that collects MAPT's data files.

They are configurations, statistics, templates and the record of the build.
"""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("mapt")
