"""Programs that tests start.

None has a time limit of its own. pytest's limit is the only guard against one that hangs.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def torchrun(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m torch.distributed.run` with two processes of `mapt`, which end with the test."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "mapt.cli",
    ]
    with subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    ) as child:
        try:
            out, err = child.communicate()
        except BaseException:
            # not `kill`: its processes have sessions of their own, and it ends them itself
            child.terminate()
            child.communicate()
            raise
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)
