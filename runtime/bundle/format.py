"""Names and values that every bundle has: its files, formats, lowerings and precisions."""

from __future__ import annotations

from typing import Literal, get_args

FORMAT = 8  # of a bundle with one input size
SIZES_FORMAT = 9  # of a bundle with several
BATCH_FORMAT = 10  # of a bundle with one, whose frame graphs take several images at a time
FORMATS = (FORMAT, SIZES_FORMAT, BATCH_FORMAT)
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
GOLDEN = "golden.npz"
WEIGHTS = "weights.safetensors"
PARAMETERS = "parameters.bin"  # what the graphs of several sizes share
# Largest sum of two int8 products that every processor holds; beyond it those without VNNI
# saturate.
PAIR_LIMIT = 2**15 - 1
Lowering = Literal["custom", "standard", "gridsample"]
Precision = Literal["fp32", "fp16", "int8"]
EngineStatus = Literal["built", "ran", "unproven"]
LOWERINGS = get_args(Lowering)
PRECISIONS = get_args(Precision)
