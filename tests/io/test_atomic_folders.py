"""Folders of outputs.

The old or the new folder is there, whatever happens. Nothing that is not ours is removed.
"""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.io import atomic_files as files
from mapt.io import atomic_folders as publish
from mapt.io.atomic_folders import INCOMPLETE, check_complete, find_place, published

OURS = {"one", "two", "three", "deep/four"}.__contains__


def write(target: Path, *names: str, keep: Callable[[str], bool] = publish.nothing) -> None:
    with published(target, OURS, keep) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"new {name}")


def content(folder: Path) -> dict[str, str]:
    files = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    return {name: text for name, text in files.items() if not name.startswith(".mapt")}


def test_the_new_replaces_the_old_and_is_listed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "one", "deep/four")
    assert content(out) == {"one": "new one", "deep/four": "new deep/four"}
    write(out, "two")
    assert content(out) == {"two": "new two"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_what_is_kept_stays_and_is_replaced_by_newer(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, "one", "two")
    (out / "one").write_text("old")
    (out / "two").write_text("old")
    write(out, "two", keep=OURS)
    assert content(out) == {"one": "old", "two": "new two"}


@pytest.mark.parametrize("name", ["notes.txt", ".git/config", ".env", "deep/picture.png"])
def test_a_foreign_file_stops_it_before_and_after_the_work(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    write(out, "one")
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    with pytest.raises(
        InputError,
        match=rf"out: is replaced by the outputs, and {name} is none; choose another --out",
    ):
        write(out, "two")
    assert content(out) == {"one": "new one", name: "mine"}
    (out / name).unlink()
    with pytest.raises(InputError, match="late is none"), published(out, OURS):
        (out / "late").write_text("mine")
    assert content(out) == {"one": "new one", "late": "mine"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_what_systems_leave_in_folders_stays(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")
    for name in (".DS_Store", "._one", "desktop.ini"):
        (tmp_path / "out" / name).write_text("mac")
    write(tmp_path / "out", "two")
    assert sorted(content(tmp_path / "out")) == [".DS_Store", "._one", "desktop.ini", "two"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    write(tmp_path / "out", "one")
    write(tmp_path / "out", "two")
    assert (tmp_path / "out").is_symlink() and content(tmp_path / "disk") == {"two": "new two"}


STEPS = ("published", "working_directory", "_swap", "_exchange", "_keep_owner", "_link")


def in_a_child(work: Callable[[], None], lines: int) -> int | None:
    """Run `work` in a fork that exits at its `lines`-th line of the module.

    The result is its exit code, or None if it ended by itself.
    """
    child = os.fork()
    if child == 0:
        left = lines

        def trace(frame, event, _):  # type: ignore[no-untyped-def]
            nonlocal left
            if frame.f_code.co_name not in STEPS or frame.f_code.co_filename not in (
                publish.__file__,
                files.__file__,
            ):
                return None
            left -= 1
            if left <= 0:
                os._exit(9)
            return trace

        sys.settrace(trace)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or None


@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link"])
def test_a_kill_leaves_the_old_or_the_new(tmp_path: Path, linked: bool) -> None:
    """At every line of the steps that replace; whatever is left, the next run goes through."""
    old = {"one": "new one", "two": "new two"}
    new = {"three": "new three"}
    ends = set()
    lines = 1
    while True:
        root = tmp_path / f"{lines}"
        root.mkdir()
        out = root / "out"
        if linked:
            (root / "disk").mkdir()
            out.symlink_to("disk")
        write(out, "one", "two")
        ended = in_a_child(lambda: write(out, "three"), lines)  # noqa: B023
        assert content(out) in (old, new)
        ends.add(len(content(out)))
        if ended is None:
            break
        check_complete(out)
        if lines % 7 == 0:
            write(out, "three")
            assert content(out) == new
        lines += 1
    assert ends == {1, 2} and lines > 20


def test_a_folder_that_cannot_be_exchanged_is_filled_under_a_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_is_mount", lambda folder: folder.name == "out")
    out = tmp_path / "out"
    out.mkdir()
    write(out, "one", "two")
    assert content(out) == {"one": "new one", "two": "new two"} and not (out / INCOMPLETE).exists()
    replace = os.replace
    seen = []

    def stop(source: Path, target: Path) -> None:
        if source.parent == target.parent:  # a list, whole or not at all
            return replace(source, target)
        seen.append(target.name)
        assert (out / INCOMPLETE).exists() and {"one", "two"} <= set(content(out))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return replace(source, target)

    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write(out, "deep/four", "three")
    with pytest.raises(
        InputError, match="out: was being replaced when the program ended; run it again"
    ):
        check_complete(out)
    monkeypatch.setattr("os.replace", replace)
    write(out, "three")
    assert content(out) == {"three": "new three"}
    check_complete(out)
    assert [p.name for p in out.iterdir() if p.is_file()] == ["three"]


def test_a_real_mount_keeps_its_results(tmp_path: Path) -> None:
    """In a mount namespace of its own, where the machine allows one."""
    (tmp_path / "out").mkdir()
    code = (
        "import sys; from pathlib import Path; from mapt.io.atomic_folders import published\n"
        "for name in ('one', 'two'):\n"
        "    with published(Path(sys.argv[1]), lambda name: name == 'one') as folder:\n"
        "        (folder / name).write_text(name)\n"
        "print(sorted(p.name for p in Path(sys.argv[1]).iterdir()))"
    )
    script = f'mount -t tmpfs none "$1" || exit 77; "{sys.executable}" -c "$0" "$1"'
    on_progress = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, code, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if on_progress.returncode == 77 or "unshare" in on_progress.stderr:
        pytest.skip("no mount namespace here")
    assert on_progress.stdout.strip() == "['two']", on_progress.stderr


def test_modes_and_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "out", "one")
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750
        assert stat.S_IMODE((tmp_path / "out" / "one").stat().st_mode) == 0o640
        (tmp_path / "out").chmod(0o2775)
        write(tmp_path / "out", "one")
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o2775
    finally:
        os.umask(before)


def test_places_that_cannot_be_used_are_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file: is a file, the outputs need a folder there"):
        find_place(tmp_path / "file")
    with pytest.raises(InputError, match="file is a file; choose another place"):
        find_place(tmp_path / "file" / "out")
    with pytest.raises(InputError, match=r"no usable path|cannot be used"):
        find_place(tmp_path / ("x" * 300))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="loop is a link to nowhere"):
        find_place(loop / "out")
