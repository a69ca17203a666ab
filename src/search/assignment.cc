#include "search/assignment.h"

#include <algorithm>

#include "io/native_layout.h"
#include "quant/observe/statistics.h"

namespace lowbit::search {
namespace {

constexpr size_t kNamesShown = 4;

// Vectors (norms, biases) are few and matter much: only what is stored under its own name, f32, f16 or bf16.
bool fits_vectors(const formats::Format& format) { return io::is_stored_plain({"x", {1}, {{format, 1}}, false}); }

// The first tensors, for a person who mistyped a pattern.
std::string some_names(const graph::Graph& graph, bool matrices) {
  std::string text;
  size_t shown = 0;
  for (const graph::Parameter& p : graph.parameters) {
    if (matrices && !p.is_matrix()) continue;
    if (shown++ == kNamesShown) return text + ", ...";
    text += (text.empty() ? "" : ", ") + p.name;
  }
  return text;
}

}  // namespace

Result<Assignment> Assignment::make(const models::OpenedModel& opened, const std::vector<quant::FormatRule>& rules,
                                    const io::WrittenKind& kind) {
  const graph::Graph& graph = opened.model.graph;
  Assignment result;
  std::vector<bool> used(rules.size(), false);
  for (const graph::Parameter& p : graph.parameters) {
    const int64_t index = opened.file->find(p.name);
    if (index < 0) return errorf("{}: tensor {} is missing", opened.file->path(), p.name);
    const io::TensorInfo& info = opened.file->tensors()[static_cast<size_t>(index)];
    Parameter parameter{{p.name, info.shape, {}}, std::nullopt};
    parameter.free = kind.is_free == nullptr || kind.is_free(p.name);
    for (const io::TensorInfo::Part& part : info.parts) {
      parameter.kept.parts.push_back({part.format, part.rows, true, ""});
    }
    parameter.statistics = p.is_matrix() && quant::has_statistics(graph, p.name);
    for (size_t r = 0; r < rules.size(); ++r) {
      if (!p.is_matrix() && !fits_vectors(rules[r].format)) continue;
      LOWBIT_ASSIGN(const bool found, rules[r].pattern.found_in(p.name));
      if (!found) continue;
      used[r] = true;
      if (!parameter.asked) parameter.asked = rules[r].format;
    }
    result.parameters_.emplace(p.name, std::move(parameter));
  }
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused == used.end()) return result;
  const quant::FormatRule& rule = rules[static_cast<size_t>(unused - used.begin())];
  const bool matrices = !fits_vectors(rule.format);
  return errorf("\"{}\" is found in the name of no {} of {}; there are {}", rule.pattern.text(),
                matrices ? "matrix" : "tensor", opened.file->path(), some_names(graph, matrices));
}

const formats::Format* Assignment::asked(const std::string& name) const {
  const Parameter& p = parameters_.at(name);
  return p.asked ? &*p.asked : nullptr;
}

quant::TensorPlan Assignment::kept(const std::string& name) const { return parameters_.at(name).kept; }

bool Assignment::has_statistics(const std::string& name) const { return parameters_.at(name).statistics; }

bool Assignment::is_free(const std::string& name) const { return parameters_.at(name).free; }

quant::TensorPlan Assignment::uniform(const std::string& name, const std::optional<formats::Format>& format,
                                      const std::string& method, bool calibrated) const {
  const Parameter& p = parameters_.at(name);
  const bool matrix = p.statistics && p.free && format.has_value();
  if (!p.asked && !matrix) return p.kept;
  const formats::Format& wanted = p.asked ? *p.asked : *format;
  if (p.kept.parts.size() == 1 && p.kept.parts[0].format == wanted) return p.kept;
  const int64_t rows = p.kept.rows();
  const quant::Method* chosen = quant::find_method(method);
  const bool without = chosen != nullptr && chosen->needs_second_moments && !(calibrated && p.statistics);
  return {name, p.kept.shape, {{wanted, rows, false, wanted.is_plain() ? "" : (without ? "nearest" : method)}}};
}

bool Assignment::rounds(const std::optional<formats::Format>& format) const {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const auto& entry) { return uniform(entry.first, format, "nearest", false).rounded(); });
}

}  // namespace lowbit::search
