"""Evaluation reads the folder that training reads."""

from tests.training.conftest import step_folder

__all__ = ["step_folder"]
