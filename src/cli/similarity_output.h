// What a comparison of sentence vectors found: for scripts, for people, and as a page.
#pragma once

#include <string>

#include "cli/eval_output.h"
#include "eval/similarity.h"

namespace lowbit::cli {

// Keys of `eval --json` for an encoder. context.base is not null.
Json similarity_json(const eval::SimilarityResult& result, const EvalContext& context);

// Lines for a terminal.
std::string similarity_text(const eval::SimilarityResult& result);

// Results for report/page.h.
Json similarity_report(const eval::SimilarityResult& result, const EvalContext& context);

}  // namespace lowbit::cli
