"""The threads of CUDA blocks as fibres (csrc/shim/fibers.h)."""

import subprocess
from pathlib import Path

import pytest

from tests.csrc.cuda_source import COMPILER, CSRC, needs_compiler

pytestmark = needs_compiler

PROGRAM = """
#include "cuda/block.cuh"

#include <cstdio>

MAPT_BEGIN

// Each thread takes what its neighbour wrote, and the sum of its warp's numbers.
struct Neighbours {
  static constexpr int kThreads = 64, kBlocks = 1;
  struct Shared { int values[kThreads]; };
  int* out;
  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    shared.values[thread()] = static_cast<int>(block) * 1000 + thread();
    if (BARRIER) __syncthreads();
    out[block * kThreads + thread()] = shared.values[(thread() + 1) % kThreads];
    if (LEAVES && thread() == 3) return;
    __syncthreads();
    int sum = 0;
    const int own = thread();
    shim::exchange(own, [&](auto held_by) {
      for (int lane = 0; lane < 32; ++lane) sum += held_by(lane);
    });
    if (sum != 31 * 16 + thread() / 32 * 32 * 32) std::abort();
  }
};

MAPT_END

int main() {
  int results[2][128];
  for (const bool backwards : {false, true}) {
    shim::backwards = backwards;
    mapt::cuda::launch_blocks(nullptr, 2, mapt::cuda::Neighbours{results[backwards]});
  }
  std::puts(std::memcmp(results[0], results[1], sizeof(results[0])) ? "differ" : "same");
  std::printf("%d %d\\n", results[0][0], results[0][127]);
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fibers")
    (made / "program.cpp").write_text(PROGRAM)
    return made


def run(folder: Path, barrier: bool, leaves: bool) -> subprocess.CompletedProcess[str]:
    program = folder / f"program{barrier:d}{leaves:d}"
    defines = f"-DBARRIER={barrier:d}", f"-DLEAVES={leaves:d}"
    subprocess.run(
        [
            COMPILER,
            "-std=c++17",
            *defines,
            "-I",
            str(CSRC),
            str(folder / "program.cpp"),
            "-o",
            program,
        ],
        check=True,
    )
    return subprocess.run([program], capture_output=True, text=True, check=False)


def test_a_barrier_makes_the_order_of_threads_irrelevant(folder: Path) -> None:
    ran = run(folder, barrier=True, leaves=False)
    assert ran.returncode == 0 and ran.stdout == "same\n1 1000\n"


def test_a_missing_barrier_gives_other_numbers(folder: Path) -> None:
    ran = run(folder, barrier=False, leaves=False)
    assert ran.returncode == 0 and ran.stdout.startswith("differ\n-1 ")  # memory begins as NaN


def test_a_thread_that_leaves_before_a_barrier_of_the_others_is_told_of(folder: Path) -> None:
    ran = run(folder, barrier=True, leaves=True)
    assert ran.returncode != 0 and ran.stderr.startswith("shim: the threads of a warp wait at")
