"""The notebooks of the documentation run from a fresh kernel, and are kept without results."""

from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_results(path: Path) -> None:
    found = read(path)
    nbformat.validate(found)
    code = [cell for cell in found.cells if cell.cell_type == "code"]
    assert code and not [cell for cell in code if cell.outputs or cell.execution_count]


def test_the_first_street_is_tracked_and_plotted(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAPT_BUNDLE", str(bundle))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read(FOLDER / "first-street.ipynb")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    told = "".join(out.get("text", "") for out in outputs)
    assert "tracked: person, car" in told and "car 1: score" in told and " tracks" in told
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 2 and not [out for out in outputs if out.output_type == "error"]
