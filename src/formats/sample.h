// Random formats for tests of every room.
#pragma once

#include "base/rng.h"
#include "formats/format.h"

namespace lowbit::formats {

// A valid format whose element has at most 8 bits: any kind of element, with any number of scaling levels from none
// to three (groups of 8 to 128, multiples of them, rows, the tensor), float and integer scales, zero points and
// minima. Its string is neither an alias nor the name of an element.
Format sample_format(Rng& rng);

// A valid element of at most 8 bits of any kind.
ElementFormat sample_element(Rng& rng);

}  // namespace lowbit::formats
