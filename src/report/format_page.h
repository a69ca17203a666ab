// What lowbit formats found, as one self-contained HTML page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lowbit::report {

// results: the JSON of `lowbit formats compare` or `advise`, or {"formats": [the JSON of show]}. The page is of the
// kind that render_page() makes; whatever is missing or of another type is left out.
std::string render_format_page(const nlohmann::json& results);

}  // namespace lowbit::report
