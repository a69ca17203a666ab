// Elements that are lists of values: code i means values[i].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/exact.h"
#include "formats/format.h"

namespace lowbit::formats {

// The distinct finite values of a codebook in ascending order, and where rounding changes between them.
struct CodebookIndex {
  std::vector<double> values;
  std::vector<uint32_t> codes;  // of each value; the lowest one where a value occurs twice
  std::vector<Exact> middles;   // where nearest changes from value i to value i + 1
  std::optional<uint32_t> nan;  // the code that is no number
  uint32_t nearest_zero = 0;    // code of the value nearest to zero: what NaN becomes where there is no code for it
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
};

// Made once, never changed.
struct Codebook {
  std::string name;            // what print() gives; parses to the same element
  std::vector<double> values;  // 2^bits or fewer (codes beyond the end do not occur); one may be NaN
  CodebookIndex index;
  // Set where the codes are posits of so many exponent bits: they can then be made bit by bit as well.
  std::optional<uint8_t> posit_exponent_bits;
  std::vector<uint32_t> unused;  // codes with a value that encoding never gives
  bool irrational = false;       // values stand for irrational numbers: as doubles here, as floats in tables
};

// Lists of three values are stored five codes to a byte (tensor/packed.h).
inline bool is_ternary(const ElementFormat& format) { return format.codebook && format.codebook->values.size() == 3; }

// What a code takes where it is stored: 1.6 of a list of three values.
inline double stored_bits(const ElementFormat& format) { return is_ternary(format) ? 1.6 : format.bits; }

// What a list of values may say beside them.
struct CodebookRules {
  // Where nearest changes between neighbours in ascending order: one fewer than distinct values. Empty: halfway.
  std::vector<Exact> middles;
  std::vector<uint32_t> unused;                // codes with a value that encoding never gives
  std::optional<uint8_t> posit_exponent_bits;  // as in Codebook
  bool irrational = false;  // the values are the nearest doubles; the nearest floats serve where floats are stored
};

// An element of `bits` (1 to 16) with these values. CHECKs that there is a finite one and at most one NaN.
ElementFormat make_codebook(std::string name, uint8_t bits, std::vector<double> values, CodebookRules rules = {});

// The posit of `bits` that nearest_even gives to a finite number, from its bits (posit.cc).
uint32_t nearest_posit(int bits, int exponent_bits, double x);

}  // namespace lowbit::formats
