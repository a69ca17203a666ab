// What an evaluation found: for scripts, for people, and as a page.
#pragma once

#include <string>

#include "cli/json_output.h"
#include "eval/perplexity.h"

namespace lowbit::cli {

struct EvalContext {
  std::string model_name, base_name, text_name;  // as typed
  const runtime::Engine* model = nullptr;
  const runtime::Engine* base = nullptr;  // or null
  double seconds = 0.0;
};

// What every evaluation says of its models and its text.
Json eval_origin_json(const EvalContext& context);
// The same for a page; tokens: of the text.
Json eval_origin_report(const EvalContext& context, int64_t tokens);

// Keys of `eval --json`.
Json eval_json(const eval::EvalResult& result, const EvalContext& context);

// Lines for a terminal.
std::string eval_text(const eval::EvalResult& result);

// Results for report/page.h.
Json eval_report(const eval::EvalResult& result, const EvalContext& context);

}  // namespace lowbit::cli
