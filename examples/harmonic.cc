// The harmonic series diverges, but not in a computer: sums of 1 + 1/2 + 1/3 + ... stop growing where the next term
// is less than rounding notices. When, and what is lost, depends on the format and on the rounding (Higham 2018;
// Croci et al. 2022: stochastic rounding does not stagnate).
//
//   example_harmonic [terms]
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "lowbit/number.h"

namespace {

struct Result {
  double sum = 0;
  int unchanged_from = 1;  // the term from which on nothing changes
};

Result harmonic(const lowbit::NumberFormat& format, int terms) {
  lowbit::DynamicNumber sum(format, 0);
  Result out;
  for (int k = 1; k <= terms; ++k) {
    const lowbit::DynamicNumber next = sum + lowbit::DynamicNumber(format, 1.0 / k);
    if (next != sum) out.unchanged_from = k + 1;
    sum = next;
  }
  out.sum = static_cast<double>(sum);
  return out;
}

}  // namespace

int main(int count, char** words) {
  const int terms = count > 1 ? std::atoi(words[1]) : 10000;
  double exact = 0;
  for (int k = terms; k >= 1; --k) exact += 1.0 / k;
  std::printf("sum of 1/k up to k = %d: %.4f\n%-12s %-8s %11s %11s %s\n", terms, exact, "format", "round", "sum",
              "error", "unchanged from");
  for (const char* name : {"bf16", "f16", "posit16", "e4m3fn", "e5m2", "binary8p5se", "fix16.10"}) {
    for (const char* rounding : {"rne", "rz", "ru", "odd", "sr"}) {
      lowbit::seed_rounding(1);
      const Result r = harmonic(lowbit::NumberFormat::of(name, rounding, "finite"), terms);
      std::printf("%-12s %-8s %11.6g %11.4g ", name, rounding, r.sum, r.sum - exact);
      if (r.unchanged_from <= terms) {
        std::printf("%d\n", r.unchanged_from);
      } else {
        std::printf("-\n");
      }
    }
  }
}
