// Results as JSON -> one self-contained HTML page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lowbit::report {

// The page for results of the schema in README.md. It loads nothing from outside, works without scripts (they add
// tips and sorting), on a phone, in the dark and in print. A section whose data is missing or of another type is left
// out; every text is escaped; broken UTF-8 becomes U+FFFD. The same results give the same bytes.
std::string render_page(const nlohmann::json& results);

}  // namespace lowbit::report
