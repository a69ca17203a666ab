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
  // The rule of nearest_even in one comparison: x becomes value i where thresholds[i - 1] <= x < thresholds[i].
  // Filled with NaN up to 2^n - 1 entries, so that a search takes n steps.
  std::vector<double> thresholds;

  // Of the values i and i + 1, is the upper one that with the even (parity 0) or odd (1) code? Where both codes have
  // one parity, the lower code stands for it.
  bool upper_has_parity(size_t i, uint32_t parity) const {
    if (((codes[i] ^ codes[i + 1]) & 1) == 0) return codes[i + 1] < codes[i];
    return (codes[i + 1] & 1) == parity;
  }

  // The code of x (no NaN).
  uint32_t nearest_even(double x) const {
    size_t below = 0;
    if (thresholds.size() < 16) {
      // Counting costs less than the wrong guesses of a search.
      for (const double threshold : thresholds) below += x >= threshold ? 1 : 0;
      return codes[below];
    }
    for (size_t half = (thresholds.size() + 1) / 2; half > 0; half /= 2) {
      below += x >= thresholds[below + half - 1] ? half : 0;
    }
    return codes[below];
  }

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
