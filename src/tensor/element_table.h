// The decode table of an element, found quickly: callers ask once per row block, and the cache of formats needs a key
// on the heap and a lock.
#pragma once

#include "formats/format.h"

namespace lowbit::tensor {

// formats::decode_table(element).data(); null for f32, whose codes are the bits of their values.
const float* element_table(const formats::ElementFormat& element);

}  // namespace lowbit::tensor
