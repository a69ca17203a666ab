// All array kernels of an instruction set: what <isa>.cc files include.
#pragma once

#include "formats/arrays/generic_blocks.h"
#include "formats/arrays/generic_numbers.h"
