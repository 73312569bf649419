"""A street, and a tracker in the middle of it."""

from typing import Any

import pytest

from tests.runtime.faults.playing import Make, Playing


@pytest.fixture
def street(actor: Make) -> tuple[Any, ...]:
    """Two cars that pass each other and a person."""
    return (
        actor(0, 8, dx=4, look=0, score=0.95),
        actor(80, 24, dx=-4, look=1, score=0.9),
        actor(40, 44, label=3, look=2, score=0.7),
    )


@pytest.fixture
def playing(scene: Make, street: tuple[Any, ...], picture: Make) -> Playing:
    return Playing(scene(*street), picture)
