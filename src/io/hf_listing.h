// What a Hugging Face hub says that a repository holds.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace lowbit::io {

// A repository at a revision.
struct HfListing {
  std::string commit;              // 40 digits
  std::vector<std::string> files;  // paths below a folder (is_safe_path), in the hub's order
};

// Reads the answer to /api/models/ORG/NAME/revision/REVISION. An error (a sentence without an address) where it is
// none or names what may not stand in a repository.
Result<HfListing> parse_hf_listing(const std::string& text);

}  // namespace lowbit::io
