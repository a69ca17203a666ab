#include "cli/similarity_output.h"

#include <fmt/format.h>

#include <cmath>

#include "report/table.h"

namespace lowbit::cli {
namespace {

Json worst_json(const eval::SimilarityResult& result) {
  Json list = Json::array();
  for (const eval::WorstText& at : result.worst) {
    list.push_back({{"line", at.line}, {"cosine", at.cosine}, {"text", at.text}});
  }
  return list;
}

// Figures that stand in both outputs; no number becomes null.
Json figures_json(const eval::SimilarityResult& result) {
  return {{"texts", result.texts},
          {"tokens", result.tokens},
          {"texts_cut", result.cut},
          {"cosine_mean", result.cosine_mean},
          {"cosine_stderr", result.cosine_stderr},
          {"cosine_min", result.cosine_min},
          {"neighbour_agreement", result.neighbour_agreement},
          {"neighbour_stderr", result.neighbour_stderr}};
}

}  // namespace

Json similarity_json(const eval::SimilarityResult& result, const EvalContext& context) {
  Json json = figures_json(result);
  json.update(eval_origin_json(context));
  json["cosines"] = result.cosines;
  json["worst"] = worst_json(result);
  return json;
}

std::string similarity_text(const eval::SimilarityResult& result) {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"cosine, mean", fmt::format("{:.6f} ± {:.6f}", result.cosine_mean, result.cosine_stderr)});
  rows.push_back({"cosine, least", fmt::format("{:.6f}", result.cosine_min)});
  if (std::isfinite(result.neighbour_agreement)) {
    rows.push_back({"same nearest text", fmt::format("{:.2f} % ± {:.2f} %", 100.0 * result.neighbour_agreement,
                                                     100.0 * result.neighbour_stderr)});
  }
  std::string measured = fmt::format("{} lines of {} tokens in all", result.texts, result.tokens);
  if (result.cut > 0) measured += fmt::format(", {} cut to what the model reads", result.cut);
  rows.push_back({"measured on", measured});
  const report::Column columns[] = {{""}, {""}};
  std::string out = report::table(columns, rows) + "\nWhere it differs most\n";
  std::vector<std::vector<std::string>> worst;
  for (const eval::WorstText& at : result.worst) {
    worst.push_back({fmt::format("{:.6f}", at.cosine), fmt::format("{}", at.line), json_text(at.text)});
  }
  const report::Column worst_columns[] = {
      {"cosine"}, {"line", report::Align::right}, {"text", report::Align::left, 80}};
  return out + report::table(worst_columns, worst);
}

Json similarity_report(const eval::SimilarityResult& result, const EvalContext& context) {
  Json report = eval_origin_report(context, result.tokens);
  report["measured"] = figures_json(result);
  report["measured"]["base"] = context.base_name + ", fp32 activations";
  report["worst_texts"] = worst_json(result);
  return report;
}

}  // namespace lowbit::cli
