"""Checks that need a GPU, in one command of a few minutes: `python -m mapt.bench.gpu`.

`registry` lists the checks. Those of a group are functions of the module of the same name. They run
in a process of their own (`child`), which `runner` watches. Nothing is installed or downloaded.
"""
