// What holds for the parameters of every kernel, one struct of plain pointers and sizes each, which also names the
// kernel.
//
// Tensors are contiguous, in the order of the shapes given with them. The caller checks sizes; pixel counts of a map
// stay below 2^31. T is what values are stored as. C is what coordinates are, and what is added up in: float or double,
// on a GPU also Half or BFloat16 values with coordinates in float.
#pragma once

#include "common/portable.h"
