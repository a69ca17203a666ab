// What is derived from an element once and kept: sorted codebooks for encode(). Internal to the formats room.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/format.h"

namespace lowbit::formats {

// The distinct values of a codebook in ascending order.
struct CodebookIndex {
  std::vector<double> values;
  std::vector<uint32_t> codes;  // of each value; the lowest one where a value occurs twice
  // Between values i and i + 1: the middle rounded to double, and the sign of (exact middle - rounded middle).
  std::vector<double> middles;
  std::vector<int8_t> middle_errors;
  uint32_t nearest_zero = 0;  // code of the value nearest to zero: what NaN becomes

  // -1 where x is nearer to value i, 1 where nearer to value i + 1, 0 on the exact middle.
  int compare_middle(size_t i, double x) const {
    if (x != middles[i]) return x < middles[i] ? -1 : 1;
    return -middle_errors[i];
  }
};

CodebookIndex make_codebook_index(const Codebook& book);

// The index of a codebook, kept per thread for the books used last. The reference holds until the thread's next call.
const CodebookIndex& codebook_index(const std::shared_ptr<const Codebook>& book);

}  // namespace lowbit::formats
