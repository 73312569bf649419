"""What the runtime and its tests need of PyPI, one requirement a line: from pyproject.toml."""

from pathlib import Path

from mapt.io import toml

TESTS = ("pytest", "pytest-timeout", "hypothesis")  # of the extra `dev`


def main() -> None:
    """Print them."""
    project = toml.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["cpu"]]
    wanted += [line for line in extras["dev"] if line.partition(">=")[0] in TESTS]
    print(*wanted, sep="\n")


if __name__ == "__main__":
    main()
