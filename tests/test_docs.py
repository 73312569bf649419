"""The documentation holds: its links, symbols, commands and examples exist, and its site builds."""

import argparse
import ast
import importlib
import importlib.util
import itertools
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mapt.cli import app
from mapt.commands import COMMANDS
from mapt.io.toml import loads
from tests.conftest import Ran

ROOT = Path(__file__).parents[1]
UsageError = (
    typer.BadParameter.__base__ or Exception
)  # Click's, whether typer brings its own or not
TOP = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
PAGES = [*TOP, ROOT / "weights" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
POINTER = re.compile(r"`([\w/]+\.(?:py|h|cpp|cu|toml|md)): ([\w.]+)`")
RUNS = re.compile(r"(?:^|\s)(?:torchrun .*?-m mapt\.cli|mapt|python -m (mapt[\w.]*))(?:\s+(.*))?$")
MENTION = re.compile(r"`((?:mapt|python -m mapt[\w.]*) [^`]+|python -m mapt[\w.]+)`")
DOTTED = re.compile(r"`(mapt(?!\.(?:h|pc)\b)(?:\.\w+)+)")
PLACE = re.compile(r"`((?:mapt|runtime|export|bench|csrc|tests|docs|examples|weights)/[\w./-]+)`")
BUILT = {"mapt/build.json"}
EXTRAS = re.compile(r"(?:'\.|mapt)\[([\w,|-]+)\]")


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The fenced blocks of a page in one of these languages."""
    for language, code in FENCE.findall(page.read_text()):
        if language in languages:
            yield code


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def shell_lines(page: Path) -> list[str]:
    """The commands of a page's shell blocks, a continued line as one, without comments."""
    code = "\n".join(blocks(page, "sh", "bash")).replace("\\\n", " ")
    return [line for line in map(str.strip, code.splitlines()) if line and line[0] != "#"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {text.strip().replace(" ", "-") for text in kept}


def defined_names(file: Path) -> set[str]:
    """What a Python file defines: `name`, and `Class.name` of methods and attributes."""
    names: set[str] = set()

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            names.update(prefix + t.id for t in targets if isinstance(t, ast.Name))

    visit(ast.parse(file.read_text()).body, "")
    return names


def cases(found: Iterator[tuple[Path, str]]) -> list[object]:
    """Parameters of a test, named by page and text, each once."""
    unique = dict.fromkeys(found)
    return [pytest.param(p, text, id=f"{p.relative_to(ROOT)}: {text}") for p, text in unique]


LINKS = cases((page, link) for page in PAGES for link in LINK.findall(prose(page)))
NAMES = cases((page, name) for page in PAGES for name in DOTTED.findall(prose(page)))
PLACES = cases((page, path) for page in PAGES for path in PLACE.findall(prose(page)))
POINTERS = sorted({found for page in PAGES for found in POINTER.findall(page.read_text())})
LINES = cases((p, line) for p in PAGES for line in shell_lines(p) if RUNS.search(line))
MENTIONS = cases((page, text) for page in PAGES for text in MENTION.findall(prose(page)))
EXAMPLES = cases((page, code) for page in PAGES for code in blocks(page, "python"))


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_a_link_leads_somewhere(page: Path, link: str) -> None:
    if link.startswith(("https://", "http://")):
        return
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists(), f"{page.name}: {link} names no file"
    assert not anchor or anchor in anchors(target), f"{page.name}: {link} names no heading"


@pytest.mark.parametrize(("page", "path"), PLACES)
def test_a_path_is_in_the_project(page: Path, path: str) -> None:
    assert path in BUILT or (ROOT / path).exists(), f"{page.name}: there is no {path}"


@pytest.mark.parametrize(("page", "name"), NAMES)
def test_a_dotted_name_resolves(page: Path, name: str) -> None:
    assert pkgutil.resolve_name(name), f"{page.name}: there is no {name}"


@pytest.mark.parametrize(("file", "symbol"), POINTERS)
def test_a_symbol_is_where_a_page_says(file: str, symbol: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"{file} is named in the documentation and does not exist"
    if path.suffix == ".py":
        assert symbol in defined_names(path), f"{file} has no {symbol}"
    else:
        assert symbol in path.read_text(), f"{file} has no {symbol}"


def test_there_are_pointers_commands_and_examples() -> None:
    assert len(POINTERS) > 40 and len(LINES) > 60 and len(EXAMPLES) > 4


class Parsed(Exception):
    """A command's arguments were accepted."""


def find_command(arguments: list[str]) -> tuple[Any, str, list[str]]:
    """The Click command that arguments of `mapt` name, its name, and its own arguments.

    Raises:
        UsageError: there is no such command.
    """
    group = typer.Typer()
    for name, module in COMMANDS.items():
        module.register(group, name)
    command: Any = typer.main.get_command(group)
    name = "mapt"
    while hasattr(command, "commands") and arguments:
        name, *arguments = arguments
        if name not in command.commands:
            raise UsageError(f"no command {name}")
        command = command.commands[name]
    return command, name, arguments


def parse_mapt(arguments: list[str]) -> None:
    """Parse arguments as `mapt` does, without running the command.

    Raises:
        UsageError: they are no command, or no options of it.
    """
    if arguments[0].startswith("-"):
        root = typer.main.get_command(app)
        known = {option for parameter in root.params for option in parameter.opts}
        if arguments[0] not in known | {"-h", "--help"}:
            raise UsageError(f"no option {arguments[0]}")
        return
    command, name, own = find_command(arguments)
    if own != ["-h"]:
        command.make_context(name, own)


def parse_module(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse arguments as `python -m name` does, without running it.

    Raises:
        SystemExit: argparse refuses them.
        Parsed: it accepts them.
    """
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *given: object, **more: object) -> object:
        parse(parser, arguments)
        raise Parsed

    spec = importlib.util.find_spec(name)
    assert spec, f"python -m {name}: no such module"
    module = importlib.import_module(
        f"{name}.__main__" if spec.submodule_search_locations else name
    )
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    module.main()


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_of_a_page_exists_with_its_options(
    page: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = RUNS.search(line)
    assert found
    arguments = shlex.split(found[2] or "", comments=True)
    if found[1]:
        with pytest.raises(Parsed):
            parse_module(found[1], arguments, monkeypatch)
    else:
        parse_mapt(arguments)


@pytest.mark.parametrize(("page", "text"), MENTIONS)
def test_a_command_within_a_sentence_exists_with_its_options(page: Path, text: str) -> None:
    words = text.split()
    if words[0] == "python":
        assert importlib.util.find_spec(words[2]), f"{page.name}: no module {words[2]}"
        return
    if words[1].startswith("--"):
        return
    command, _, own = find_command(words[1:])
    options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
    asked = {word.strip(",") for word in own if word.startswith("--")} - {"--debug", "--help"}
    assert asked <= options, f"{page.name}: {text}"


@pytest.mark.parametrize(
    "line", ["nosuch", "track --model B", "track IN --out O --nosuch", "data nosuch", "--nosuch"]
)
def test_a_wrong_command_would_be_found(line: str) -> None:
    with pytest.raises(UsageError):
        parse_mapt(line.split())


def test_a_wrong_option_of_a_module_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        parse_module("mapt.bench.report.picture", ["--nosuch"], monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_extras_and_targets_of_a_page_exist(page: Path) -> None:
    project = loads((ROOT / "pyproject.toml").read_text())["project"]
    known = set(project["optional-dependencies"])
    text = page.read_text()
    named = {name for found in EXTRAS.findall(text) for name in re.split(r"[,|]", found)}
    assert named <= known, f"no extra {', '.join(named - known)}"
    goals = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line for line in shell_lines(page) if line.startswith("make ")]
    asked = {line.split()[1] for line in lines} | set(re.findall(r"`make ([\w-]+)`", text))
    assert asked <= goals, f"no make target {', '.join(asked - goals)}"


@pytest.mark.parametrize(("page", "code"), EXAMPLES)
def test_a_python_example_compiles_and_its_imports_resolve(page: Path, code: str) -> None:
    for node in ast.walk(ast.parse(code, page.name)):
        if isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not missing, f"{node.module} has no {', '.join(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lists_and_tables_begin_after_an_empty_line(page: Path) -> None:
    lines = prose(page).splitlines()
    for before, line in itertools.pairwise(lines):
        for start in (r"- ", r"\d+\. ", r"\|"):
            within = re.match(rf"{start}|\s", before) or not before
            assert within or not re.match(start, line), f"{page.name}: {line}"


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    files = sorted(file.name for file in (ROOT / "docs" / "adr").glob("0*.md"))
    assert files == re.findall(r"\((0[\w-]+\.md)\)", index)
    numbers = [int(file[:4]) for file in files]
    assert numbers == list(range(1, len(files) + 1))


def test_the_accuracy_that_readme_states_is_that_of_the_committed_results() -> None:
    import json

    report = json.loads((ROOT / "bench" / "results.json").read_text())
    runs = report["ablation"]["full"]
    mean = 100 * sum(run["PAT"] for run in runs) / len(runs)
    assert f"| `nano` | 192x640 | {mean:.1f} |" in (ROOT / "README.md").read_text()


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("zensical")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "build" / "site" / "results" / "index.html").is_file()


@pytest.mark.slow
def test_the_quick_start_runs_as_printed(
    mapt: Callable[..., Ran], street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    given = {
        "VIDEO": str(street),
        "GROUND_TRUTH": str(street),
        "SEQUENCE": "0000",
        "--track 3": "--track 1",  # the street is short
        "bench bundle": "bench bundle --sequences 1 --frames 8 --no-alone",
    }
    page = ROOT / "docs" / "quick-start.md"
    lines = [line for line in shell_lines(page) if line.startswith("mapt ")]
    assert len(lines) == 7
    for line in lines:
        for name, value in given.items():
            line = line.replace(name, value)  # noqa: PLW2901
        ran = mapt(*shlex.split(line)[1:])
        assert ran.code == 0, f"{line}: {ran.err}"
    written = ("out/0000/video.mp4", "out/0000/tracks.json", "out/step/0000", "report.html")
    assert all((tmp_path / name).exists() for name in written)
