#include "quant/histogram.h"

#include <algorithm>
#include <cmath>

#include "tensor/gather.h"
#include "tensor/group_values.h"

namespace lowbit::quant {
namespace {

// A middle value of what zero points of a part are: the histogram is drawn around it.
void set_grid(const formats::Format& format, GridHistogram& h, int bins) {
  for (const float v : formats::decode_table(format.element)) {
    if (std::isfinite(v)) h.grid.push_back(static_cast<double>(v));
  }
  std::sort(h.grid.begin(), h.grid.end());
  h.grid.erase(std::unique(h.grid.begin(), h.grid.end()), h.grid.end());
  const double low = h.grid.front(), high = h.grid.back();
  const double margin = std::max(0.5, (high - low) / static_cast<double>(h.grid.size()));
  for (int i = 0; i <= bins; ++i) h.edges.push_back(low - margin + (high - low + 2 * margin) * i / bins);
  h.counts.assign(static_cast<size_t>(bins), 0);
}

}  // namespace

GridHistogram grid_histogram(const tensor::Weight& source, const tensor::Weight& solved, int64_t rows, int bins) {
  GridHistogram h;
  const tensor::PackedMatrix& part = solved.parts[0];
  if (part.format().is_plain() || part.format().element.bits > 8) return h;
  set_grid(part.format(), h, bins);
  const int64_t cols = part.cols(), groups = tensor::value_groups(part), width = tensor::value_group_columns(part);
  std::vector<float> row(static_cast<size_t>(cols)), scales(static_cast<size_t>(groups)), minimums(scales.size());
  std::vector<int16_t> zeros(scales.size());
  const std::vector<int32_t> inverse = tensor::inverse_row_order(source);
  for (int64_t r = 0; r < std::min(rows, part.rows()); ++r) {
    const int64_t natural = solved.row_order.empty() ? r : solved.row_order[static_cast<size_t>(r)];
    tensor::dequantize_row(source, inverse, natural, row.data());
    tensor::row_group_values(part, r, scales, minimums, zeros);
    for (int64_t c = 0; c < cols; ++c) {
      const auto g = static_cast<size_t>(c / width);
      if (scales[g] == 0.0f) continue;
      const double x = (static_cast<double>(row[static_cast<size_t>(c)]) - static_cast<double>(minimums[g])) /
                           static_cast<double>(scales[g]) +
                       zeros[g];
      if (!std::isfinite(x)) continue;
      const double at = (x - h.edges.front()) / (h.edges.back() - h.edges.front()) * bins;
      h.counts[static_cast<size_t>(std::clamp(at, 0.0, static_cast<double>(bins - 1)))] += 1;
    }
  }
  return h;
}

}  // namespace lowbit::quant
