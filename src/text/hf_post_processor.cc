#include "text/hf_post_processor.h"

#include <string>

namespace lowbit::text {
namespace {

Result<int32_t> read_id(const JsonReader& json, size_t count) {
  LOWBIT_ASSIGN(const int64_t id, json.integer(0, static_cast<int64_t>(count) - 1));
  return static_cast<int32_t>(id);
}

// The ids of a name in "special_tokens".
Result<std::vector<int32_t>> ids_of(const JsonReader& json, const JsonReader& special, size_t count) {
  LOWBIT_ASSIGN(const JsonReader name, special.required("id"));
  LOWBIT_ASSIGN(const std::string key, name.string());
  LOWBIT_ASSIGN(const JsonReader table, json.required("special_tokens"));
  LOWBIT_ASSIGN(const JsonReader entry, table.required(key));
  LOWBIT_ASSIGN(const JsonReader list, entry.required("ids"));
  LOWBIT_ASSIGN(const auto items, list.items());
  std::vector<int32_t> out;
  for (const JsonReader& item : items) {
    LOWBIT_ASSIGN(const int32_t id, read_id(item, count));
    out.push_back(id);
  }
  return out;
}

Result<HfSurroundings> read_template(const JsonReader& json, size_t count) {
  HfSurroundings out;
  LOWBIT_ASSIGN(const JsonReader single, json.required("single"));
  LOWBIT_ASSIGN(const auto items, single.items());
  bool seen = false;
  for (const JsonReader& item : items) {
    LOWBIT_ASSIGN(const JsonReader special, item.member("SpecialToken"));
    if (special.is_null()) {
      LOWBIT_ASSIGN(const JsonReader sequence, item.required("Sequence"));
      if (seen) return sequence.error("stands twice, expected one text");
      seen = true;
      continue;
    }
    LOWBIT_ASSIGN(const auto ids, ids_of(json, special, count));
    std::vector<int32_t>& side = seen ? out.after : out.before;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (!seen) return single.error("has no \"Sequence\", expected one");
  return out;
}

// ["[CLS]", 101]
Result<int32_t> read_named(const JsonReader& json, std::string_view key, size_t count) {
  LOWBIT_ASSIGN(const JsonReader pair, json.required(key));
  LOWBIT_ASSIGN(const auto items, pair.items());
  if (items.size() != 2) return pair.expected("a name and an id");
  return read_id(items[1], count);
}

Result<HfSurroundings> read_bert(const JsonReader& json, size_t count) {
  LOWBIT_ASSIGN(const int32_t cls, read_named(json, "cls", count));
  LOWBIT_ASSIGN(const int32_t sep, read_named(json, "sep", count));
  return HfSurroundings{{cls}, {sep}};
}

Result<HfSurroundings> read_nothing(const JsonReader&, size_t) { return HfSurroundings{}; }

struct Row {
  std::string_view type;
  Result<HfSurroundings> (*read)(const JsonReader&, size_t);
};

constexpr Row kRows[] = {{"TemplateProcessing", read_template},
                         {"BertProcessing", read_bert},
                         {"RobertaProcessing", read_bert},
                         {"ByteLevel", read_nothing}};

}  // namespace

Result<HfSurroundings> read_hf_post_processor(const JsonReader& json, size_t count) {
  HfSurroundings out;
  if (json.is_null()) return out;
  LOWBIT_ASSIGN(const std::string type, json.type());
  if (type == "Sequence") {
    LOWBIT_ASSIGN(const JsonReader list, json.required("processors"));
    LOWBIT_ASSIGN(const auto items, list.items());
    for (const JsonReader& item : items) {
      LOWBIT_ASSIGN(const HfSurroundings inner, read_hf_post_processor(item, count));
      out.before.insert(out.before.begin(), inner.before.begin(), inner.before.end());
      out.after.insert(out.after.end(), inner.after.begin(), inner.after.end());
    }
    return out;
  }
  std::string known = "Sequence";
  for (const Row& row : kRows) {
    known.append(", ").append(row.type);
    if (row.type == type) return row.read(json, count);
  }
  LOWBIT_ASSIGN(const JsonReader name, json.required("type"));
  return name.expected("one of " + known);
}

}  // namespace lowbit::text
