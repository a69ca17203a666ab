#include "cli/eval_output.h"

#include <fmt/format.h>

#include "base/cpu.h"
#include "cli/tensor_list.h"
#include "cli/version.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

Json guesses_json(const std::vector<eval::WorstPosition::Guess>& guesses) {
  Json list = Json::array();
  for (const auto& [token, p] : guesses) list.push_back({{"token", token}, {"p", p}});
  return list;
}

Json worst_json(const eval::EvalResult& result) {
  Json list = Json::array();
  for (const eval::WorstPosition& at : result.worst) {
    list.push_back({{"chunk", at.chunk},
                    {"position", at.position},
                    {"kl", at.kl},
                    {"context", at.before},
                    {"next", at.actual},
                    {"base_top", guesses_json(at.base_top)},
                    {"top", guesses_json(at.top)}});
  }
  return list;
}

Json chunks_json(const eval::EvalResult& result) {
  Json list = Json::array();
  for (const eval::ChunkResult& chunk : result.per_chunk) {
    list.push_back({{"index", list.size()}, {"nll", chunk.nll}});
    if (result.has_base) list.back().update({{"nll_base", chunk.nll_base}, {"kl", chunk.kl}});
  }
  return list;
}

// Figures that stand in both outputs.
Json figures_json(const eval::EvalResult& result) {
  Json figures = {{"tokens", result.tokens},
                  {"chunks", result.chunks},
                  {"context", result.context},
                  {"perplexity", result.perplexity},
                  {"perplexity_stderr", result.perplexity_stderr}};
  if (!result.has_base) return figures;
  figures.update({{"perplexity_base", result.perplexity_base},
                  {"kl_mean", result.kl_mean},
                  {"kl_stderr", result.kl_stderr},
                  {"kl_median", result.kl_median},
                  {"kl_p99", result.kl_p99},
                  {"kl_max", result.kl_max},
                  {"top1_agreement", result.top1_agreement}});
  return figures;
}

Json size_json(const runtime::Engine& engine) {
  return {{"bytes", engine.opened.file->file_bytes()},
          {"bits_per_weight", tensor_totals(engine.opened.file->tensors()).bits_per_weight()}};
}

// A token or a piece of text in one line, quoted.
std::string quoted(const std::string& text) { return json_text(text); }

std::string guesses_text(const std::vector<eval::WorstPosition::Guess>& guesses) {
  std::string out;
  for (const auto& [token, p] : guesses) {
    out += fmt::format("{}{} {:.0f} %", out.empty() ? "" : ", ", quoted(token), 100.0 * p);
  }
  return out;
}

std::string worst_text(const eval::EvalResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const eval::WorstPosition& at : result.worst) {
    rows.push_back({fmt::format("{:.3f}", at.kl), fmt::format("{}:{}", at.chunk, at.position), quoted(at.actual),
                    guesses_text(at.base_top), guesses_text(at.top)});
  }
  const report::Column columns[] = {{"KL", report::Align::right},
                                    {"chunk:token"},
                                    {"next", report::Align::left, 20},
                                    {"the base expected", report::Align::left, 48},
                                    {"the model expected", report::Align::left, 48}};
  return report::table(columns, rows);
}

}  // namespace

Json eval_origin_json(const EvalContext& context) {
  Json json = {{"model", context.model_name},
               {"text", context.text_name},
               {"bits_per_weight", size_json(*context.model).at("bits_per_weight")},
               {"seconds", context.seconds}};
  if (context.base != nullptr) json["base"] = context.base_name;
  return json;
}

Json eval_json(const eval::EvalResult& result, const EvalContext& context) {
  Json json = figures_json(result);
  json.update(eval_origin_json(context));
  json["per_chunk"] = chunks_json(result);
  if (result.has_base) {
    json["kl_by_position"] = result.kl_by_position;
    json["worst"] = worst_json(result);
  }
  return json;
}

std::string eval_text(const eval::EvalResult& result) {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"perplexity", fmt::format("{:.4f} ± {:.4f}", result.perplexity, result.perplexity_stderr)});
  if (result.has_base) {
    rows.push_back({"perplexity of the base", fmt::format("{:.4f}", result.perplexity_base)});
    rows.push_back({"KL, mean", fmt::format("{:.5f} ± {:.5f} nats", result.kl_mean, result.kl_stderr)});
    rows.push_back({"KL, median", fmt::format("{:.5f}", result.kl_median)});
    rows.push_back({"KL, 99 % below", fmt::format("{:.5f}", result.kl_p99)});
    rows.push_back({"KL, most", fmt::format("{:.5f}", result.kl_max)});
    rows.push_back({"same top-1 token", fmt::format("{:.2f} %", 100.0 * result.top1_agreement)});
  }
  rows.push_back({"measured on", fmt::format("{} predictions in {} chunks of {} tokens", result.tokens, result.chunks,
                                             result.context)});
  const report::Column columns[] = {{""}, {""}};
  std::string out = report::table(columns, rows);
  if (!result.worst.empty()) out += "\nWhere it differs most\n" + worst_text(result);
  return out;
}

Json eval_origin_report(const EvalContext& context, int64_t tokens) {
  const runtime::Engine& model = *context.model;
  const auto tensors = model.opened.file->tensors();
  Json report = {{"title", "Evaluation of " + context.model_name},
                 {"model",
                  {{"name", model.opened.model.name},
                   {"architecture", model.opened.model.architecture},
                   {"parameters", tensor_totals(tensors).parameters}}},
                 {"texts", Json::array({{{"role", "evaluation"}, {"name", context.text_name}, {"tokens", tokens}}})},
                 {"after", size_json(model)},
                 {"tensors", tensor_list(tensors)},
                 {"seconds", context.seconds},
                 {"threads", model.pool->size()},
                 {"versions", {{"lowbit", kVersion}, {"isa", isa_name(active_isa())}}}};
  if (context.base != nullptr) report["before"] = size_json(*context.base);
  return report;
}

Json eval_report(const eval::EvalResult& result, const EvalContext& context) {
  Json report = eval_origin_report(context, result.tokens);
  report["measured"] = figures_json(result);
  report["chunks"] = chunks_json(result);
  if (result.has_base) {
    report["measured"]["base"] = context.base_name + ", fp32 activations";
    report["worst"] = worst_json(result);
  }
  return report;
}

}  // namespace lowbit::cli
