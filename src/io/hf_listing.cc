#include "io/hf_listing.h"

#include "io/hf_name.h"
#include "io/json_text.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

constexpr size_t kMostFiles = 100'000;  // in a repository

}  // namespace

Result<HfListing> parse_hf_listing(const std::string& text) {
  LOWBIT_ASSIGN(const json described, parse_json(text));
  const auto sha = described.is_object() ? described.find("sha") : described.end();
  if (!described.is_object() || sha == described.end() || !sha->is_string() ||
      !is_sha1(sha->get_ref<const std::string&>())) {
    return Error{"\"sha\" is missing or no commit"};
  }
  HfListing listing{sha->get<std::string>(), {}};
  const auto siblings = described.find("siblings");
  if (siblings == described.end() || !siblings->is_array() || siblings->size() > kMostFiles) {
    return errorf("\"siblings\" is missing or no list of at most {} files", kMostFiles);
  }
  for (const json& sibling : *siblings) {
    const auto file = sibling.is_object() ? sibling.find("rfilename") : sibling.end();
    if (!sibling.is_object() || file == sibling.end() || !file->is_string()) {
      return Error{"a file of \"siblings\" has no \"rfilename\""};
    }
    const std::string& path = file->get_ref<const std::string&>();
    if (!is_safe_path(path)) return errorf("the file name {} may not stand in a repository", shown(path));
    listing.files.push_back(path);
  }
  return listing;
}

}  // namespace lowbit::io
