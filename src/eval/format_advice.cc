#include "eval/format_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "formats/families.h"

namespace lowbit::eval {
namespace {

constexpr int64_t kMostMeasured = 1 << 20;
constexpr double kDecibelsPerBit = 6.0205999132796239;  // of a uniform quantizer
constexpr std::string_view kGroups[] = {"/32:f16", "/128:f16", "/row:f32"};

struct Integers {
  std::string_view prefix, level_end;
};
constexpr Integers kIntegers[] = {{"int", ""}, {"uint", "+zp"}};

// Rows spread evenly over the array, at most kMostMeasured numbers; the beginning of one row that is longer.
std::vector<float> part_of(const Samples& samples, Samples& part) {
  part = samples;
  if (std::ssize(samples.values) <= kMostMeasured) return {samples.values.begin(), samples.values.end()};
  part.cols = std::min(samples.cols, kMostMeasured);
  part.rows = std::min(samples.rows, kMostMeasured / part.cols);
  part.matrix_rows = 0;
  std::vector<float> values;
  for (int64_t r = 0; r < part.rows; ++r) {
    const auto begin = static_cast<size_t>(r * samples.rows / part.rows * samples.cols);
    const auto row = samples.values.subspan(begin, static_cast<size_t>(part.cols));
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

void mark_front(std::vector<Advice>& all) {
  std::sort(all.begin(), all.end(), [](const Advice& a, const Advice& b) {
    return a.bits != b.bits ? a.bits < b.bits : a.relative_error < b.relative_error;
  });
  double least = 2.0;
  for (Advice& advice : all) {
    advice.pareto = advice.relative_error < least;
    least = std::min(least, advice.relative_error);
  }
  const auto worth = [](const Advice& a) { return a.sqnr_db - kDecibelsPerBit * a.bits; };
  std::stable_sort(all.begin(), all.end(), [&](const Advice& a, const Advice& b) {
    if (a.pareto != b.pareto) return a.pareto;
    return a.pareto ? a.bits < b.bits : worth(a) > worth(b);
  });
}

}  // namespace

std::vector<formats::Format> advice_candidates() {
  std::vector<formats::Format> out;
  std::set<std::string> known;
  const auto add = [&](const std::string& text) {
    const auto format = formats::parse_format(text);
    if (format.ok() && format->element.bits <= 16 && known.insert(formats::print(*format)).second) {
      out.push_back(*format);
    }
  };
  std::vector<std::string> elements;
  for (const formats::ElementRow& row : formats::named_elements()) elements.emplace_back(row.name);
  for (const formats::Family& family : formats::families()) elements.emplace_back(family.example);
  for (const std::string& name : elements) add(name);
  for (const formats::Alias& alias : formats::aliases()) add(std::string(alias.name));
  for (const std::string_view group : kGroups) {
    for (const std::string& name : elements) {
      const auto element = formats::parse_element(name);
      if (element.ok() && element->bits <= 8 && element->is_signed) add(fmt::format("{}{}", name, group));
    }
    for (const Integers& row : kIntegers) {
      for (int bits = 2; bits <= 8; ++bits) add(fmt::format("{}{}{}{}", row.prefix, bits, group, row.level_end));
    }
  }
  return out;
}

Result<AdviceResult> advise(const Samples& samples, const AdviceOptions& options) {
  Samples part;
  const std::vector<float> values = part_of(samples, part);
  part.values = values;
  AdviceResult result;
  result.measured = std::ssize(values);
  const std::vector<formats::Format> candidates = advice_candidates();
  for (size_t i = 0; i < candidates.size(); ++i) {
    report_progress(options.progress, "measuring formats", static_cast<double>(i),
                    static_cast<double>(candidates.size()));
    Advice advice;
    advice.format = candidates[i];
    advice.bits = true_bits(candidates[i], samples.rows, samples.cols);
    if (options.most_bits && advice.bits > *options.most_bits) continue;
    // Plain elements take the numbers as they are.
    const bool search = options.search && !candidates[i].is_plain();
    const ErrorOptions error_options{search ? Scaling::mse : Scaling::none, 1, options.pool};
    LOWBIT_ASSIGN(advice.relative_error, relative_error(candidates[i], part, error_options));
    advice.sqnr_db = sqnr_db(advice.relative_error);
    result.ranked.push_back(std::move(advice));
  }
  mark_front(result.ranked);
  return result;
}

}  // namespace lowbit::eval
