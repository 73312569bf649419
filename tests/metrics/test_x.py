from tests.metrics.reference import X
def test_x() -> None:
    assert X == 1
