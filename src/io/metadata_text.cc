#include "io/metadata_text.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "io/json_text.h"
#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

// Shorter arrays stay as they are.
constexpr size_t kLeastPacked = 32;
// One byte each; the first that stands in none of the strings separates them.
constexpr std::string_view kSeparators = " ,;|\t\n";
// Merges and the tokens they belong to are the longest lists of strings by far; to try more would cost the product.
constexpr size_t kMostSplitCandidates = 16;

bool all_strings(const json& array) {
  return std::ranges::all_of(array, [](const json& value) { return value.is_string(); });
}

const std::string& string_at(const json& array, size_t i) { return array[i].get_ref<const std::string&>(); }

std::optional<json> pack_strings(const json& array) {
  for (const char separator : kSeparators) {
    const auto contains = [&](const json& s) {
      return s.get_ref<const std::string&>().find(separator) != std::string::npos;
    };
    if (std::ranges::any_of(array, contains)) continue;
    std::string text = string_at(array, 0);
    for (size_t i = 1; i < array.size(); ++i) text.append(1, separator).append(string_at(array, i));
    return json{{"separator", std::string(1, separator)}, {"strings", std::move(text)}};
  }
  return std::nullopt;
}

// room: how many values may still be made.
Result<json> unpack_strings(const json& packed, uint64_t& room) {
  const auto text = packed.at("strings").get<std::string>();
  const auto separator = packed.at("separator").get<std::string>();
  if (separator.size() != 1) return Error{"a separator is not one byte"};
  const uint64_t count = static_cast<uint64_t>(std::ranges::count(text, separator[0])) + 1;
  if (count > room) return errorf("lists of more than {} values", kMaxMetadataValues);
  room -= count;
  json array = json::array();
  for (size_t begin = 0;;) {
    const size_t end = std::min(text.find(separator[0], begin), text.size());
    array.push_back(text.substr(begin, end - begin));
    if (end == text.size()) return array;
    begin = end + 1;
  }
}

// Equal neighbours of a list of numbers or booleans as [value, count].
std::optional<json> pack_runs(const json& array) {
  json runs = json::array();
  for (const json& value : array) {
    if (!value.is_number() && !value.is_boolean()) return std::nullopt;
    // Equality alone would join 1, 1.0 and true.
    if (!runs.empty() && runs.back()[0].type() == value.type() && runs.back()[0].dump() == value.dump()) {
      runs.back()[1] = runs.back()[1].get<uint64_t>() + 1;
    } else {
      runs.push_back(json::array({value, uint64_t{1}}));
    }
    if (runs.size() * 4 > array.size()) return std::nullopt;
  }
  return json{{"runs", std::move(runs)}};
}

Result<json> unpack_runs(const json& packed, uint64_t& room) {
  json array = json::array();
  for (const json& run : packed.at("runs")) {
    LOWBIT_ASSIGN(const uint64_t count, json_count(run.at(1), kMaxMetadataValues, "the length of a run"));
    if (count > room) return errorf("lists of more than {} values", kMaxMetadataValues);
    room -= count;
    if (!run.at(0).is_number() && !run.at(0).is_boolean())
      return Error{"a run of a value that is neither a number nor a boolean"};
    for (uint64_t i = 0; i < count; ++i) array.push_back(run[0]);
  }
  return array;
}

// Lengths as text: each is any number of '~', which count 64, and a character from '0' (0) on.
void append_length(size_t length, std::string& out) {
  out.append(length / 64, '~');
  const auto rest = static_cast<char>('0' + length % 64);
  out += rest == '\\' ? '!' : rest;  // no character that JSON would escape
}

// Where `pair` is `whole` with a space put in, the length before it.
std::optional<size_t> split_length(std::string_view pair, std::string_view whole) {
  if (pair.size() != whole.size() + 1) return std::nullopt;
  for (size_t p = pair.find(' '); p != std::string_view::npos; p = pair.find(' ', p + 1)) {
    if (pair.substr(0, p) == whole.substr(0, p) && pair.substr(p + 1) == whole.substr(p)) return p;
  }
  return std::nullopt;
}

// The merges of byte-pair encoding: element i is string first + i of another list, divided by a space.
std::optional<json> pack_splits(const json& array, const std::string& of, const json& base) {
  std::string joined = string_at(array, 0);
  const size_t space = joined.find(' ');
  if (space == std::string::npos) return std::nullopt;
  joined.erase(space, 1);
  const auto found =
      std::ranges::find_if(base, [&](const json& s) { return s.get_ref<const std::string&>() == joined; });
  const auto first = static_cast<size_t>(found - base.begin());
  if (first + array.size() > base.size()) return std::nullopt;
  std::string lengths;
  for (size_t i = 0; i < array.size(); ++i) {
    const auto length = split_length(string_at(array, i), string_at(base, first + i));
    if (!length.has_value()) return std::nullopt;
    append_length(*length, lengths);
  }
  return json{{"first", first}, {"of", of}, {"splits", std::move(lengths)}};
}

Result<json> unpack_splits(const json& packed, const json& metadata) {
  const auto of = packed.at("of").get<std::string>();
  const auto lengths = packed.at("splits").get<std::string>();
  LOWBIT_ASSIGN(const uint64_t first,
                json_count(packed.at("first"), kMaxMetadataValues, "the first string of splits"));
  const auto base = metadata.find(of);
  if (base == metadata.end() || !base->is_array() || !all_strings(*base)) {
    return errorf("splits of {}, which is no list of strings", shown(of));
  }
  json array = json::array();
  uint64_t length = 0;
  for (const char c : lengths) {
    if (c == '~') {
      length += 64;
      continue;
    }
    if (c != '!' && (c < '0' || c > 'o')) return Error{"splits hold a character that stands for no length"};
    length += static_cast<uint64_t>(c == '!' ? '\\' - '0' : c - '0');
    if (first >= base->size() || array.size() >= base->size() - first) {
      return errorf("splits beyond the {} strings of {}", base->size(), shown(of));
    }
    const std::string& whole = string_at(*base, first + array.size());
    if (length > whole.size()) return errorf("a split of {} beyond its length", shown(whole));
    array.push_back(whole.substr(0, length) + ' ' + whole.substr(length));
    length = 0;
  }
  return array;
}

// Each list divides at most one other, and none that is itself divided (so that a small text stays small).
struct Divisions {
  std::set<std::string> candidates;  // the longest lists of strings
  std::set<std::string> bases, divided;
};

// Where lists are of one length, the first keys.
std::set<std::string> longest_string_lists(const json& metadata) {
  std::vector<std::pair<size_t, std::string>> lists;
  for (const auto& [key, value] : metadata.items()) {
    if (value.is_array() && value.size() >= kLeastPacked && all_strings(value)) lists.emplace_back(value.size(), key);
  }
  std::ranges::stable_sort(lists, std::greater(), &std::pair<size_t, std::string>::first);
  if (lists.size() > kMostSplitCandidates) lists.resize(kMostSplitCandidates);
  std::set<std::string> keys;
  for (auto& [size, key] : lists) keys.insert(std::move(key));
  return keys;
}

std::optional<json> pack_as_splits(const std::string& key, const json& metadata, Divisions& divisions) {
  if (divisions.bases.contains(key) || !divisions.candidates.contains(key)) return std::nullopt;
  for (const std::string& of : divisions.candidates) {
    if (of == key || divisions.divided.contains(of) || divisions.bases.contains(of)) continue;
    auto packed = pack_splits(metadata.at(key), of, metadata.at(of));
    if (!packed.has_value()) continue;
    divisions.bases.insert(of);
    divisions.divided.insert(key);
    return packed;
  }
  return std::nullopt;
}

Status unpack_divided(const json& packed, json& metadata) {
  std::set<std::string> bases;
  std::vector<std::pair<std::string, json>> divided;
  for (const auto& [key, form] : packed.items()) {
    if (!form.contains("splits")) continue;
    if (!bases.insert(form.at("of").get<std::string>()).second) return Error{"two lists are splits of the same list"};
    LOWBIT_ASSIGN(json array, unpack_splits(form, metadata));
    divided.emplace_back(key, std::move(array));
  }
  for (auto& [key, array] : divided) metadata[key] = std::move(array);
  return {};
}

Status unpack_all(const json& packed, json& metadata) {
  uint64_t room = kMaxMetadataValues;
  for (const auto& [key, form] : packed.items()) {
    if (form.contains("strings")) {
      LOWBIT_ASSIGN(metadata[key], unpack_strings(form, room));
    } else if (form.contains("runs")) {
      LOWBIT_ASSIGN(metadata[key], unpack_runs(form, room));
    } else if (!form.contains("splits")) {
      return errorf("the list {} is packed in an unknown way", shown(key));
    }
  }
  return unpack_divided(packed, metadata);
}

}  // namespace

std::string metadata_text(const json& metadata) {
  json values = json::object(), packed = json::object();
  Divisions divisions{longest_string_lists(metadata), {}, {}};
  for (const auto& [key, value] : metadata.items()) {
    std::optional<json> form;
    if (value.is_array() && value.size() >= kLeastPacked) {
      const bool strings = all_strings(value);
      if (strings) form = pack_as_splits(key, metadata, divisions);
      if (!form.has_value()) form = strings ? pack_strings(value) : pack_runs(value);
    }
    if (form.has_value()) {
      packed[key] = std::move(*form);
    } else {
      values[key] = value;
    }
  }
  std::string text;
  append_json(json{{"packed", std::move(packed)}, {"values", std::move(values)}}, text);
  return text;
}

Result<json> parse_metadata_text(std::string_view text) {
  LOWBIT_ASSIGN(json all, parse_json(text));
  if (!all.is_object()) return Error{"no JSON object"};
  try {
    json metadata = std::move(all.at("values"));
    if (!metadata.is_object()) return Error{"the metadata values are no JSON object"};
    LOWBIT_TRY(unpack_all(all.at("packed"), metadata));
    return metadata;
  } catch (const std::exception& error) {
    return Error{json_complaint(error)};
  }
}

}  // namespace lowbit::io
