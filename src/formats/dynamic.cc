// dynamic8: the signed dynamic map of 8 bits of bitsandbytes (Dettmers 2016, "8-bit approximations for parallelism in
// deep learning"; create_dynamic_map(True, 7, 8)). Between -1 and 1: for i = 0..6 the middles of 2^i equal parts of
// [0.1, 1], times 10^(i - 6), of both signs; and 0 and 1. Codes ascend. The arithmetic is that of floats, as there.
#include <cmath>

#include "formats/codebook.h"
#include "formats/families.h"

namespace lowbit::formats {
namespace {

// The k-th of n + 1 places that divide [0.1, 1] into n parts: from the nearer end and fused, as torch.linspace
// computes it.
float place(int k, int n) {
  const float step = (1.0f - 0.1f) / static_cast<float>(n);
  if (k < (n + 1) / 2) return std::fma(step, static_cast<float>(k), 0.1f);
  return std::fma(-step, static_cast<float>(n - k), 1.0f);
}

}  // namespace

ElementParse parse_dynamic(std::string_view text) {
  if (text != "dynamic8") return unknown_element();
  constexpr float kPowers[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
  std::vector<double> positive;
  for (int i = 0; i <= 6; ++i) {
    for (int k = 0; k < 1 << i; ++k) positive.push_back((place(k, 1 << i) + place(k + 1, 1 << i)) / 2 * kPowers[i]);
  }
  std::vector<double> values(positive.rbegin(), positive.rend());
  for (double& v : values) v = -v;
  values.push_back(0);
  values.insert(values.end(), positive.begin(), positive.end());
  values.push_back(1);
  return found_element(make_codebook("dynamic8", 8, std::move(values)));
}

}  // namespace lowbit::formats
