#include "search/sensitivity.h"

#include <algorithm>
#include <cctype>

#include "io/native_layout.h"
#include "tensor/gather.h"

namespace lowbit::search {
namespace {

constexpr std::string_view kCandidates[] = {
#define LOWBIT_CANDIDATE(format) format,
#include "search/candidates.inc"
#undef LOWBIT_CANDIDATE
};

// A divided parameter: the first 1/32 of the rows by importance, up to 1/16, 1/8, 1/4, 1/2, all.
constexpr int64_t kDivisions[] = {32, 16, 8, 4, 2, 1};

Result<uint64_t> stored_bytes(const formats::Format& format, int64_t rows, int64_t cols) {
  io::StoredTensor stored{"x", {rows, cols}, {{format, rows}}, false};
  LOWBIT_ASSIGN(const std::vector<io::Piece> pieces, io::pieces_of(stored));
  uint64_t sum = 0;
  for (const io::Piece& piece : pieces) sum += piece.bytes;
  return sum;
}

double norm_of(const float* row, int64_t cols) {
  double sum = 0.0;
  for (int64_t c = 0; c < cols; ++c) sum += static_cast<double>(row[c]) * static_cast<double>(row[c]);
  return sum;
}

}  // namespace

std::vector<formats::Format> default_candidates() {
  std::vector<formats::Format> result;
  for (const std::string_view text : kCandidates) result.push_back(formats::parse_format(text).value());
  return result;
}

std::string kind_of(const std::string& name) {
  std::string kind;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(name[i])) != 0;
    const bool alone = digit && i > 0 && (name[i - 1] == '.' || name[i - 1] == '_');
    if (!digit) kind += name[i];
    if (alone) kind += '#';
  }
  return kind;
}

Result<std::vector<FormatSite>> sites_of(const std::string& name, const tensor::Weight& source,
                                         const SensitivityOptions& options) {
  const int64_t rows = source.rows(), cols = source.cols();
  const bool divided = rows >= options.divide_rows;
  std::vector<FormatSite> sites;
  int64_t first = 0;
  for (const int64_t division : kDivisions) {
    if (!divided && division != 1) continue;
    const int64_t end = division == 1 ? rows : rows / division / tensor::kRowBlock * tensor::kRowBlock;
    FormatSite site{name, kind_of(name), first, end - first, cols, divided, {}};
    for (const formats::Format& format : options.candidates) {
      LOWBIT_ASSIGN(const uint64_t bytes, stored_bytes(format, site.rows, cols));
      site.choices.push_back({format, false, bytes, 0.0});
    }
    if (source.parts.size() == 1) {
      LOWBIT_ASSIGN(const uint64_t bytes, stored_bytes(source.parts[0].format(), site.rows, cols));
      site.choices.push_back({source.parts[0].format(), true, bytes, 0.0});
    }
    sites.push_back(std::move(site));
    first = end;
  }
  return sites;
}

Status measure_sites(std::span<FormatSite> sites, const tensor::Weight& source,
                     const quant::ParameterStatistics& statistics, const quant::GptqFactor* factor,
                     const SensitivityOptions& options, ThreadPool& pool) {
  const int64_t cols = source.cols();
  const std::vector<int32_t> order = quant::importance_order(statistics);
  const std::vector<int32_t> inverse = tensor::inverse_row_order(source);
  std::vector<double> energy(order.size());  // f_r |w_r|^2 of each row
  quant::TensorRange range;
  std::vector<float> row(static_cast<size_t>(cols));
  for (size_t r = 0; r < order.size(); ++r) {
    tensor::dequantize_row(source, inverse, static_cast<int64_t>(r), row.data());
    range.add(row);
    energy[r] = static_cast<double>(statistics.row_weights[r]) * norm_of(row.data(), cols);
  }
  for (FormatSite& site : sites) {
    const int64_t count = std::min(options.trial_rows, site.rows);
    std::vector<float> values(static_cast<size_t>(count * cols));
    std::vector<int32_t> chosen;
    double all = 0.0, tried = 0.0;
    for (int64_t i = 0; i < site.rows; ++i)
      all += energy[static_cast<size_t>(order[static_cast<size_t>(site.first + i)])];
    for (int64_t i = 0; i < count; ++i) {
      const int32_t r = order[static_cast<size_t>(site.first + (2 * i + 1) * site.rows / (2 * count))];
      tensor::dequantize_row(source, inverse, r, values.data() + i * cols);
      chosen.push_back(r);
      tried += energy[static_cast<size_t>(r)];
    }
    for (SiteChoice& choice : site.choices) {
      if (choice.keep) continue;
      const quant::TensorScales scales = quant::prepare(choice.format, range, options.rounding.scales);
      LOWBIT_ASSIGN(const quant::TrialResult trial,
                    quant::try_format(values, count, cols, choice.format, scales, options.method, statistics, factor,
                                      options.rounding, pool));
      double loss = 0.0;
      for (size_t i = 0; i < chosen.size(); ++i) {
        loss += 0.5 * static_cast<double>(statistics.row_weights[static_cast<size_t>(chosen[i])]) *
                trial.weighted_error[i];
      }
      choice.loss = tried > 0.0 ? loss * all / tried : 0.0;
    }
  }
  return {};
}

}  // namespace lowbit::search
