#include "cli/quantize_output.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include "cli/similarity_output.h"
#include "cli/tensor_list.h"
#include "cli/version.h"
#include "models/written_kinds.h"
#include "report/table.h"
#include "search/sensitivity.h"

namespace lowbit::cli {
namespace {

// Bytes; ru_maxrss is in KiB on Linux.
uint64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// The plan's tensors as a file would list them.
std::vector<io::TensorInfo> planned_tensors(const QuantizeFindings& f) {
  const io::WrittenKind* named = models::written_kind(f.out);
  const io::WrittenKind& kind = named == nullptr ? io::native_kind() : *named;
  std::vector<io::TensorInfo> result;
  for (const io::StoredTensor& stored : f.job->search.plan.stored()) {
    io::TensorInfo info{stored.name, stored.shape, stored.parts, 0};
    if (const auto bytes = kind.tensor_bytes(stored); bytes.ok()) info.bytes = *bytes;
    result.push_back(std::move(info));
  }
  return result;
}

uint64_t file_bytes(const QuantizeFindings& f) {
  return f.outcome != nullptr ? f.outcome->file_bytes : f.job->search.file_bytes;
}

// Without a budget there are no measured sites; then the rounding itself says what it should cost.
Json predicted_loss(const QuantizeFindings& f) {
  if (!f.job->search.sites.empty()) return f.job->search.predicted_kl;
  if (f.outcome != nullptr && f.job->calibrated) return f.outcome->loss;
  return nullptr;
}

// The loss of a decoder is a divergence in nats per token, that of an encoder 1 - cosine of its sentence vectors.
const char* loss_key(const QuantizeFindings& f) {
  return f.job->opened.model.encoder ? "predicted_cosine_loss" : "predicted_kl";
}

std::string size_text(uint64_t bytes) { return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6); }

// kind -> formats with how many tensors or rows use them.
std::vector<std::vector<std::string>> kind_rows(const quant::Plan& plan) {
  std::map<std::string, std::map<std::string, int64_t>> kinds;
  for (const quant::TensorPlan& tensor : plan.tensors) {
    if (tensor.shape.size() != 2) continue;
    for (const quant::PartPlan& part : tensor.parts) {
      const std::string name = formats::print(part.format) + (part.keep ? " (kept)" : "");
      kinds[search::kind_of(tensor.name)][name] += tensor.divided() ? part.rows : 1;
    }
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [kind, formats] : kinds) {
    std::string text;
    for (const auto& [name, count] : formats) text += fmt::format("{}{} x{}", text.empty() ? "" : ", ", name, count);
    rows.push_back({kind, text});
  }
  return rows;
}

// What one format everywhere would do, from the measured choices of the search.
Json uniform_alternatives(const search::SearchResult& result) {
  Json list = Json::array();
  for (const auto& uniform : result.uniform) {
    list.push_back({{"name", formats::print(uniform.format)}, {"bytes", uniform.bytes}, {"loss", uniform.loss}});
  }
  return list;
}

// Factor between what the rounding of a tensor should lose and what probes of its kind really lost.
double correction_of(const search::SearchResult& result, const std::string& name) {
  auto it = result.corrections.find(name);  // probed for itself
  if (it == result.corrections.end()) it = result.corrections.find(search::kind_of(name));
  return it == result.corrections.end() ? 1.0 : it->second;
}

Json report_tensors(const QuantizeFindings& f) {
  Json list = Json::array();
  const std::vector<io::TensorInfo> tensors = planned_tensors(f);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const io::TensorInfo& info = tensors[i];
    Json entry = {
        {"name", info.name},
        {"shape", info.shape},
        {"bytes", info.bytes},
        {"bits_per_weight", 8.0 * static_cast<double>(info.bytes) / static_cast<double>(info.parameters())}};
    for (const io::TensorInfo::Part& part : info.parts) {
      const auto pieces = io::pieces_of({info.name, {part.rows, info.shape.back()}, {part}, false});
      const uint64_t bytes = pieces.ok() ? (*pieces)[0].bytes : 0;
      entry["parts"].push_back({{"format", formats::print(part.format)},
                                {"rows", part.rows},
                                {"bytes", bytes},
                                {"bits_per_weight", 8.0 * static_cast<double>(bytes) /
                                                        static_cast<double>(part.rows * info.shape.back())}});
    }
    const int64_t source = f.job->opened.file->find(info.name);
    const io::TensorInfo& before = f.job->opened.file->tensors()[static_cast<size_t>(source)];
    entry["source_format"] = formats::print(before.parts[0].format);
    if (f.outcome != nullptr) {
      entry["error"] = f.outcome->tensors[i].report.relative_error;
      entry["loss"] = f.outcome->tensors[i].report.loss * correction_of(f.job->search, info.name);
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

Json quantize_json(const QuantizeFindings& f) {
  const std::vector<io::TensorInfo> tensors = planned_tensors(f);
  Json json = {{"out", f.out},
               {"bytes", file_bytes(f)},
               {"bits_per_weight", tensor_totals(tensors).bits_per_weight()},
               {"seconds", f.seconds},
               {"peak_memory", peak_memory()},
               {"dry_run", f.outcome == nullptr},
               {"tensors", tensor_list(tensors)}};
  json[loss_key(f)] = predicted_loss(f);
  json["source"] = {{"bytes", f.job->opened.file->file_bytes()},
                    {"bits_per_weight", tensor_totals(f.job->opened.file->tensors()).bits_per_weight()}};
  for (const auto& [kind, probe] : f.job->probes) {
    json["probes"][kind] = {{"measured", probe.measured}, {"predicted", probe.predicted}};
  }
  for (const search::ParetoPoint& point : f.job->search.frontier) {
    json["pareto"].push_back({{"bytes", point.bytes}, {"loss", point.loss}});
  }
  const Json alternatives = uniform_alternatives(f.job->search);
  if (!alternatives.empty()) json["uniform"] = alternatives;
  if (f.outcome != nullptr) json["reused_tensors"] = f.outcome->reused;
  return json;
}

std::string quantize_text(const QuantizeFindings& f) {
  const report::Column plan_columns[] = {{"tensors"}, {"formats"}};
  std::string out = report::table(plan_columns, kind_rows(f.job->search.plan)) + "\n";
  const std::vector<io::TensorInfo> tensors = planned_tensors(f);
  std::vector<std::vector<std::string>> rows;
  const auto bits = [](std::span<const io::TensorInfo> list) {
    const TensorTotals totals = tensor_totals(list);
    return fmt::format("{:.3f} bits per weight",
                       8.0 * static_cast<double>(totals.bytes) / static_cast<double>(totals.parameters));
  };
  rows.push_back({"source", size_text(f.job->opened.file->file_bytes()), bits(f.job->opened.file->tensors())});
  const bool exact = f.outcome != nullptr || f.job->search.file_bytes > 0;
  rows.push_back(
      {f.outcome != nullptr ? "result" : "would be", exact ? size_text(file_bytes(f)) : "", bits(tensors)});
  const Json predicted = predicted_loss(f);
  if (predicted.is_number() && f.job->opened.model.encoder) {
    rows.push_back({"predicted 1 - cosine", fmt::format("{:.6f} of the vectors", predicted.get<double>())});
  } else if (predicted.is_number()) {
    rows.push_back({"predicted KL", fmt::format("{:.4f} nats per token", predicted.get<double>())});
  }
  rows.push_back({"time", fmt::format("{:.0f} s", f.seconds)});
  const report::Column columns[] = {{""}, {""}, {""}};
  out += report::table(columns, rows);
  if (f.outcome != nullptr) out += fmt::format("written: {}\n", f.out);
  return out;
}

Json quantize_report(const QuantizeFindings& f) {
  // The measured part is that of `eval --report`.
  Json page = Json::object();
  const EvalContext context{f.out, f.model_name, f.evaluation_name, f.result, f.base, f.seconds};
  if (f.measured && f.result != nullptr && f.base != nullptr) page = eval_report(*f.measured, context);
  if (f.similarity && f.result != nullptr && f.base != nullptr) page = similarity_report(*f.similarity, context);
  const std::vector<io::TensorInfo> tensors = planned_tensors(f);
  page["title"] = "lowbit quantize";
  page["command"] = f.command;
  page["model"] = {{"name", f.job->opened.model.name},
                   {"parameters", f.job->search.plan.parameters()},
                   {"architecture", f.job->opened.model.architecture}};
  page["before"] = {{"bytes", f.job->opened.file->file_bytes()},
                    {"bits_per_weight", tensor_totals(f.job->opened.file->tensors()).bits_per_weight()}};
  page["after"] = {{"bytes", file_bytes(f)}, {"bits_per_weight", tensor_totals(tensors).bits_per_weight()}};
  page[loss_key(f)] = predicted_loss(f);
  page["seconds"] = f.seconds;
  page["peak_memory"] = peak_memory();
  page["tensors"] = report_tensors(f);
  for (const search::ParetoPoint& point : f.job->search.frontier) {
    page["pareto"].push_back({{"bytes", point.bytes}, {"loss", point.loss}});
  }
  page["alternatives"] = uniform_alternatives(f.job->search);
  page["texts"] = Json::array();
  if (!f.calibration_name.empty()) page["texts"].push_back({{"role", "calibration"}, {"name", f.calibration_name}});
  if (!f.evaluation_name.empty()) page["texts"].push_back({{"role", "evaluation"}, {"name", f.evaluation_name}});
  for (const QuantizeFindings::Histogram& h : f.histograms) {
    page["histograms"].push_back({{"tensor", h.tensor},
                                  {"format", h.format},
                                  {"edges", h.histogram.edges},
                                  {"counts", h.histogram.counts},
                                  {"grid", h.histogram.grid}});
  }
  if (!f.prompt.empty()) {
    page["answers"] = {{"prompt", f.prompt}, {"before", f.answer_before}, {"after", f.answer_after}};
  }
  return page;
}

}  // namespace lowbit::cli
