"""Messages show values of any kind briefly."""

import pytest

from mapt.errors import shown


def test_lists_that_double_forty_times_are_shown_at_once() -> None:
    value: list[object] = ["x"]
    for _ in range(40):
        value = [value, value]
    assert len(shown(value)) <= 40


@pytest.mark.parametrize(
    "value",
    [[10**5000], {"a": 10**5000}, ["x" * 10**6], {"a": [1] * 10**6}],
    ids=["number", "table", "text", "list"],
)
def test_long_values_are_cut(value: object) -> None:
    assert 0 < len(shown(value)) <= 40
