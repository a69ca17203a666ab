// How a model on a Hugging Face hub is named.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::io {

// hf:ORG/NAME[:FILE][@REVISION]
struct HfName {
  std::string repo;               // ORG/NAME
  std::string revision = "main";  // a branch, a tag or a commit
  std::string file;               // path in the repository; empty: the model as a folder

  std::string text() const;
};

// Whether the text begins as such a name does.
bool is_hf_name(std::string_view text);

// An error where the text is no such name, or where a part of it could lead out of a folder.
Result<HfName> parse_hf_name(std::string_view text);

// Whether a path from a server may be a path below a folder: relative, at most 1024 bytes, no part empty, "." or
// "..", no control character, no backslash.
bool is_safe_path(std::string_view path);

// 40 digits of a commit, or of the SHA-1 of a file in git.
bool is_sha1(std::string_view text);
// 64 digits.
bool is_sha256(std::string_view text);

}  // namespace lowbit::io
