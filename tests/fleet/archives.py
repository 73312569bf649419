"""What tests compare of archives."""

from pathlib import Path

from mapt.io.storage.folder import FolderStorage

SMALL = ("--size", "192x352")  # of the default network's inputs, the smallest


def outputs(folder: Path) -> dict[str, bytes]:
    """Every output of an archive, without marks and index: these tell times."""
    return {
        name: (folder / name).read_bytes()
        for name in FolderStorage(folder).sizes()
        if not name.startswith("recordings/") and name != "index.parquet"
    }
