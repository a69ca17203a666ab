#include "io/hf_name.h"

#include <algorithm>

#include "io/utf8.h"

namespace lowbit::io {
namespace {

constexpr std::string_view kBegin = "hf:";
constexpr size_t kMostPath = 1024, kMostPart = 255;
constexpr size_t kMostNamePart = 96;  // as the hub has it

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

// Organisation or name as the hub has them: "--" joins both in the cache.
bool is_name_part(std::string_view part) {
  return !part.empty() && part.size() <= kMostNamePart && std::ranges::all_of(part, is_name_character) &&
         part.front() != '-' && part.front() != '.' && part.back() != '-' && part.back() != '.' &&
         part.find("--") == part.npos && part.find("..") == part.npos;
}

bool is_hexadecimal(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Takes "@REVISION" off the end of the text.
std::string_view take_revision(std::string_view& text) {
  const size_t at = text.rfind('@');
  if (at == text.npos) return {};
  const std::string_view revision = text.substr(at);
  text = text.substr(0, at);
  return revision;
}

}  // namespace

std::string HfName::text() const {
  return fmt::format("hf:{}{}{}{}{}", repo, file.empty() ? "" : ":", file, revision == "main" ? "" : "@",
                     revision == "main" ? "" : revision);
}

bool is_hf_name(std::string_view text) { return text.starts_with(kBegin); }

Result<HfName> parse_hf_name(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return errorf("{}: {}; expected hf:ORG/NAME[:FILE][@REVISION]", shown(text), what);
  };
  if (!is_hf_name(text)) return wrong("does not begin with hf:");
  std::string_view repo = text.substr(kBegin.size()), file;
  const size_t colon = repo.find(':');
  std::string_view later;
  if (colon != repo.npos) {
    file = repo.substr(colon + 1);
    repo = repo.substr(0, colon);
    later = take_revision(file);
    if (!is_safe_path(file)) return wrong("FILE is no path in a repository");
  }
  std::string_view revision = take_revision(repo);
  if (!revision.empty() && !later.empty()) return wrong("two revisions");
  if (revision.empty()) revision = later;
  const size_t slash = repo.find('/');
  if (slash == repo.npos || !is_name_part(repo.substr(0, slash)) || !is_name_part(repo.substr(slash + 1))) {
    return wrong("ORG/NAME is no name of a repository");
  }
  HfName name;
  name.repo = repo;
  name.file = file;
  if (revision.empty()) return name;
  revision.remove_prefix(1);
  if (!is_safe_path(revision)) return wrong("REVISION is no name of a branch, tag or commit");
  name.revision = revision;
  return name;
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > kMostPath) return false;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\') return false;
  }
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > kMostPart) return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool is_sha1(std::string_view text) { return text.size() == 40 && is_hexadecimal(text); }
bool is_sha256(std::string_view text) { return text.size() == 64 && is_hexadecimal(text); }

}  // namespace lowbit::io
