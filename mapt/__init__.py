"""MAPT: motion and appearance-aware panoptic tracking, from training to a torch-free runtime."""

__version__ = "0.1.0"
