"""The examples for a cluster are well formed, and their commands exist."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "fleet"


@pytest.fixture
def job() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load((FOLDER / "kuberay.yaml").read_text())
    return found


def test_the_pods_of_the_ray_job_are_valid(job: dict[str, Any]) -> None:
    """The job itself is KubeRay's own kind; its pods are Kubernetes'."""
    validate = pytest.importorskip("kubernetes_validate")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
        validate.validate(pod | group["template"], "1.31", strict=True)
    assert cluster["workerGroupSpecs"][0]["maxReplicas"] * 8 == 64  # as many as --workers


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    ran = subprocess.run(
        ["shellcheck", str(FOLDER / "slurm.sh")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_the_options_of_the_commands_exist(job: dict[str, Any]) -> None:
    import typer

    from mapt.commands import COMMANDS

    app = typer.Typer()
    COMMANDS["track"].register(app, "track")
    known = {
        option for parameter in typer.main.get_command(app).params for option in parameter.opts
    }
    script = (FOLDER / "slurm.sh").read_text().replace("\\\n", " ")
    line = next(line for line in script.splitlines() if line.startswith("mapt track"))
    for command in (job["spec"]["entrypoint"], re.sub(r"\$\(\(.*?\)\)", "2", line)):
        used = {word for word in shlex.split(command) if word.startswith("--")}
        assert used and used <= known, used - known
