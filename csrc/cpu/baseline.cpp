// The kernels for any processor of the architecture: SSE2 on x86-64, NEON on ARM.
#define MAPT_ISA baseline
#define MAPT_VECTOR_BYTES 16
#include "operators/operators.inc"
