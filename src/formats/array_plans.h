// How the array functions choose kernels and what they tell them. Internal to the formats room.
#pragma once

#include "base/cpu.h"
#include "formats/arrays/args.h"
#include "formats/format.h"

namespace lowbit::formats {

const ArrayKernels& array_kernels(Isa isa);

// Is there a MagicCast for this element and policy; and it.
bool has_magic(const ElementFormat& f, const CastPolicy& policy);
MagicCast magic_plan(const ElementFormat& f, const CastPolicy& policy);

// Likewise a FixedCast.
bool has_fixed(const ElementFormat& f, const CastPolicy& policy);
FixedCast fixed_plan(const ElementFormat& f);

// Of an element of at most 8 bits. Cached; lives as long as the program.
const ByteDecode& byte_decode(const ElementFormat& f);

}  // namespace lowbit::formats
