// Rules for the parameters of all kernels. They are a struct of plain pointers and sizes, whose type names the kernel.
//
// Tensors are contiguous, with the shapes in the comments. The caller checks sizes, and a map has fewer than 2^31
// pixels. T is the type of stored values. C is the type of coordinates and sums. Both are float or double. Values
// may also be Half or BFloat16, with coordinates in float; on a CPU, only without gradients.
#pragma once

#include "common/portable.h"
