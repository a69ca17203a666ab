// The sections of the page, in its order; each is empty where its data is missing. Used by page.cc alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "report/html.h"

namespace lowbit::report {

std::string headline_text(const Json& results);  // plain text: also the title of the page
std::string header_section(const Json& results);
std::string cards_section(const Json& results);
std::string map_section(const Json& results);
std::string kinds_section(const Json& results);
std::string curve_section(const Json& results);
std::string text_loss_section(const Json& results);
std::string answers_section(const Json& results);
std::string worst_section(const Json& results);
std::string histograms_section(const Json& results);
std::string tensors_section(const Json& results);
std::string origin_section(const Json& results);
std::string raw_section(const Json& results);

// The frame of every page: title (plain text), style, script around a body.
std::string whole_page(std::string_view title, std::string_view body);
std::string style_sheet();
std::string script();

// --- The loss: a divergence, of an encoder 1 - cosine. Only loss_of tells them apart. ---

struct Loss {
  std::string_view name;  // "KL"
  std::string_view title, meaning, axis;
  std::optional<double> predicted = {}, measured = {}, most = {};  // not negative, 0 is no change
};

Loss loss_of(const Json& results);

// --- Tensors, read once. ---

struct Part {
  std::string format;
  double rows = 0.0, bytes = 0.0, bits = 0.0;
};

struct TensorRow {
  std::string name, shape, source_format;
  std::vector<Part> parts;
  double bytes = 0.0, bits = 0.0;
  std::optional<double> error, loss;
  bool vector = false;       // one dimension or none
  std::optional<int> layer;  // from names like blk.7.attn_q.weight
  std::string kind;          // the name without layer and ".weight"

  std::string formats() const;  // "int4/64", or "int6/64 + int4/64"
  std::string tip() const;      // what is worth knowing in a few lines
};

std::vector<TensorRow> tensor_rows(const Json& results);

}  // namespace lowbit::report
