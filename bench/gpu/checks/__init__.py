"""The checks of `python -m mapt.bench.gpu`, a module for each group."""
