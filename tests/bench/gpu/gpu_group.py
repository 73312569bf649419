"""Checks for the runner's tests: they pass, fail, raise, die and hang."""

import os
import subprocess
import sys
import time

from mapt.bench.gpu.context import Context, Result, Skip


def good(context: Context) -> Result:
    return Result(f"on {context.device}", {"process": os.getpid()}, rows=("a row",))


def faulty(context: Context) -> Result:
    return Result("2 of 3 are equal", faults=("the third differs",))


def raising(context: Context) -> Result:
    raise RuntimeError("CUDA error: an illegal memory access\nmore of it")


def skipping(context: Context) -> Result:
    raise Skip("nothing to look at")


def aborting(context: Context) -> Result:
    print("about to abort", flush=True)
    os.abort()


def leaving(context: Context) -> Result:
    sys.stdout.flush()
    os._exit(3)


def hanging(context: Context) -> Result:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    started = subprocess.Popen(command)  # it must not outlive the check
    (context.folder / "started").write_text(str(started.pid))
    time.sleep(600)
    raise AssertionError


def bereaving(context: Context) -> Result:
    if os.fork() == 0:
        time.sleep(600)  # with everything open that this process had open
    os._exit(4)
