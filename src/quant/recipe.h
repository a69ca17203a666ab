// Recipes: how a model is quantized, as TOML (README.md of this room lists the keys).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/format.h"
#include "quant/method.h"
#include "quant/name_pattern.h"

namespace lowbit::quant {

// Tensors whose names a pattern is found in get a format of their own.
struct FormatRule {
  NamePattern pattern;
  formats::Format format;
};

struct Recipe {
  std::optional<formats::Format> format;  // of every matrix, or
  std::optional<std::string> budget;      // as on the command line
  std::string method = "gptq";
  MethodOptions options;
  std::vector<formats::Format> candidates;  // of a budget search; empty: the default list
  std::vector<FormatRule> rules;            // the first that matches counts
  std::optional<int64_t> calibration_chunks, context;
  std::optional<int64_t> divide_rows;  // matrices with at least so many rows may have several formats
};

// An error names the file, the line and the key, what was found and what was expected.
Result<Recipe> read_recipe(const std::string& path);
Result<Recipe> parse_recipe(const std::string& text, const std::string& name);

}  // namespace lowbit::quant
