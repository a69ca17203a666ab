// The stages of a matrix product over a vector ISA.
#pragma once

#include "kernels/matmul/generic_dot.h"
#include "kernels/matmul/generic_entries.h"
#include "kernels/matmul/generic_floats.h"
#include "kernels/matmul/generic_fused.h"
#include "kernels/matmul/generic_pack.h"
#include "kernels/matmul/generic_planes.h"
#include "kernels/matmul/generic_traits.h"
#include "kernels/matmul/generic_unpack.h"
