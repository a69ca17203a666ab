// Filters of lists and dicts.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"

namespace lowbit::text::jinja {
namespace {

// What `attribute` names in an item: "a.b.0"; absent or None: the item.
Value get_path(Interpreter& in, const Value& item, const Value& path, const Value& otherwise = Value::absent()) {
  if (path.is_absent() || path.is(Kind::none)) return item;
  if (!path.is_string()) return in.subscript(item, path);
  Value out = item;
  std::string_view left = *path.string;
  for (bool more = true; more;) {
    const std::string_view part = left.substr(0, left.find('.'));
    more = part.size() < left.size();
    left.remove_prefix(part.size() + (more ? 1 : 0));
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
    out = in.subscript(out,
                       number ? Value::of(int64_t{std::stoi(std::string(part))}) : in.heap.string(std::string(part)));
    if (out.is(Kind::undefined) && !otherwise.is_absent()) out = otherwise;
  }
  return out;
}

// Text in lower case unless the case counts.
Value sort_key(Interpreter& in, const Value& value, bool case_sensitive) {
  return value.is_string() && !case_sensitive ? in.heap.string(to_lower(*value.string)) : value;
}

using Keyed = std::pair<Value, Value>;

std::vector<Keyed> keyed(Interpreter& in, const List& items, const Value& path, bool case_sensitive,
                         const Value& otherwise = Value::absent()) {
  in.heap.grow(items.size() * sizeof(Keyed));
  std::vector<Keyed> out;
  for (const Value& item : items) {
    out.emplace_back(sort_key(in, get_path(in, item, path, otherwise), case_sensitive), item);
  }
  return out;
}

void sort_keyed(Interpreter& in, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? less(in.heap, b.first, a.first) : less(in.heap, a.first, b.first);
  });
}

List values_of(const std::vector<Keyed>& items) {
  List out;
  for (const Keyed& item : items) out.push_back(item.second);
  return out;
}

Value length(Interpreter&, const Value& self, const Args&) { return Value::of(length_of(self)); }
Value list(Interpreter& in, const Value& self, const Args&) { return in.heap.list(items_of(in.heap, self)); }

Value first(Interpreter& in, const Value& self, const Args&) {
  if (self.is(Kind::object) && self.object->type == Object::Type::iterator) {
    auto& iterator = static_cast<Iterator&>(*self.object);
    return iterator.next < iterator.items.size() ? iterator.items[iterator.next++] : Value();
  }
  const List items = items_of(in.heap, self);
  return items.empty() ? Value() : items.front();
}

void check_reversible(const Value& self) {
  if (self.is(Kind::object) && self.object->type == Object::Type::iterator) fail("an iterator cannot be reversed");
}

Value last(Interpreter& in, const Value& self, const Args&) {
  check_reversible(self);
  const List items = items_of(in.heap, self);
  return items.empty() ? Value() : items.back();
}

Value reverse(Interpreter& in, const Value& self, const Args&) {
  List items = items_of(in.heap, self);
  std::reverse(items.begin(), items.end());
  if (!self.is_string()) return in.heap.iterator(std::move(items));
  std::string out;
  for (const Value& item : items) out += *item.string;
  return in.heap.string(std::move(out));
}

Value join(Interpreter& in, const Value& self, const Args& args) {
  const std::string between = args[0].is_absent() ? "" : in.text(args[0]);
  std::string out;
  bool begun = false;
  for (const Value& item : items_of(in.heap, self)) {
    if (begun) out += between;
    begun = true;
    print(in.heap, out, get_path(in, item, args[1]));
    in.heap.room(out.size());
  }
  return in.heap.string(std::move(out));
}

Value default_value(Interpreter& in, const Value& self, const Args& args) {
  const bool missing = self.is(Kind::undefined) || (truth(args[1]) && !truth(self));
  if (!missing) return self;
  return args[0].is_absent() ? in.heap.string("") : args[0];
}

Value items(Interpreter& in, const Value& self, const Args&) {
  if (self.is(Kind::undefined)) return in.heap.iterator({});
  if (!self.is(Kind::dict)) fail(fmt::format("\"items\" takes a dict, not {}", type_name(self)));
  List out;
  for (const auto& [key, value] : self.dict->items) out.push_back(in.heap.pair(key, value));
  return in.heap.iterator(std::move(out));
}

Value dictsort(Interpreter& in, const Value& self, const Args& args) {
  if (!self.is(Kind::dict)) fail(fmt::format("\"dictsort\" takes a dict, not {}", type_name(self)));
  const std::string by = args[1].is_absent() ? "key" : in.text(args[1]);
  if (by != "key" && by != "value") fail("\"dictsort\" sorts by key or value");
  std::vector<Keyed> out;
  for (const auto& [key, value] : self.dict->items) {
    out.emplace_back(sort_key(in, by == "key" ? key : value, truth(args[0])), in.heap.pair(key, value));
  }
  sort_keyed(in, out, truth(args[2]));
  return in.heap.list(values_of(out));
}

Value sort(Interpreter& in, const Value& self, const Args& args) {
  const List items = items_of(in.heap, self);
  const bool case_sensitive = truth(args[1]);
  std::vector<Keyed> out;
  if (args[2].is_string() && args[2].string->find(',') != std::string::npos) {
    std::string_view left = *args[2].string;
    List paths;
    for (bool more = true; more;) {
      const std::string_view part = left.substr(0, left.find(','));
      more = part.size() < left.size();
      left.remove_prefix(part.size() + (more ? 1 : 0));
      paths.push_back(in.heap.string(std::string(part)));
    }
    for (const Value& item : items) {
      List key;
      for (const Value& path : paths) key.push_back(sort_key(in, get_path(in, item, path), case_sensitive));
      out.emplace_back(in.heap.list(std::move(key)), item);
    }
  } else {
    out = keyed(in, items, args[2], case_sensitive);
  }
  sort_keyed(in, out, truth(args[0]));
  return in.heap.list(values_of(out));
}

Value unique(Interpreter& in, const Value& self, const Args& args) {
  Dict seen;
  List out;
  for (const auto& [key, item] : keyed(in, items_of(in.heap, self), args[1], truth(args[0]))) {
    if (find(in.heap, seen, key) != nullptr) continue;
    insert(in.heap, seen, key, item);
    out.push_back(item);
  }
  return in.heap.iterator(std::move(out));
}

Value extreme(Interpreter& in, const Value& self, const Args& args, bool largest) {
  const auto all = keyed(in, items_of(in.heap, self), args[1], truth(args[0]));
  const Keyed* best = nullptr;
  for (const Keyed& item : all) {
    if (best == nullptr ||
        (largest ? less(in.heap, best->first, item.first) : less(in.heap, item.first, best->first))) {
      best = &item;
    }
  }
  return best == nullptr ? Value() : best->second;
}

Value minimum(Interpreter& in, const Value& self, const Args& args) { return extreme(in, self, args, false); }
Value maximum(Interpreter& in, const Value& self, const Args& args) { return extreme(in, self, args, true); }

Value sum(Interpreter& in, const Value& self, const Args& args) {
  Value out = args[1].is_absent() ? Value::of(int64_t{0}) : args[1];
  if (out.is_string()) fail("\"sum\" does not join strings");
  for (const Value& item : items_of(in.heap, self)) out = in.arithmetic("+", out, get_path(in, item, args[0]));
  return out;
}

Value batch(Interpreter& in, const Value& self, const Args& args) {
  const int64_t size = integer_of(args[0]);
  List out, part;
  for (const Value& item : items_of(in.heap, self)) {
    if (static_cast<int64_t>(part.size()) == size) out.push_back(in.heap.list(std::exchange(part, {})));
    part.push_back(item);
  }
  const auto missing = static_cast<uint64_t>(std::max<int64_t>(0, size - static_cast<int64_t>(part.size())));
  if (!part.empty() && !args[1].is_absent() && !args[1].is(Kind::none)) {
    in.heap.room(missing > (1ULL << 40) ? missing : missing * sizeof(Value));
    part.insert(part.end(), missing, args[1]);
  }
  if (!part.empty()) out.push_back(in.heap.list(std::move(part)));
  return in.heap.iterator(std::move(out));
}

Value slice(Interpreter& in, const Value& self, const Args& args) {
  const List items = items_of(in.heap, self);
  const int64_t count = integer_of(args[0]), length = static_cast<int64_t>(items.size());
  if (count == 0) fail("division by zero");
  List out;
  int64_t begin = 0;
  for (int64_t i = 0; i < count; ++i) {
    in.heap.step();
    const bool longer = i < length % count;
    const int64_t end = begin + length / count + (longer ? 1 : 0);
    List part(items.begin() + begin, items.begin() + end);
    if (!longer && !args[1].is_absent() && !args[1].is(Kind::none)) part.push_back(args[1]);
    out.push_back(in.heap.list(std::move(part)));
    begin = end;
  }
  return in.heap.iterator(std::move(out));
}

Value groupby(Interpreter& in, const Value& self, const Args& args) {
  const bool case_sensitive = truth(args[2]);
  auto all = keyed(in, items_of(in.heap, self), args[0], case_sensitive, args[1]);
  sort_keyed(in, all, false);
  List out;
  for (size_t i = 0; i < all.size();) {
    List group;
    const size_t begin = i;
    while (i < all.size() && equal(in.heap, all[i].first, all[begin].first)) group.push_back(all[i++].second);
    const Value key = get_path(in, group[0], args[0], args[1]);
    out.push_back(in.heap.pair(key, in.heap.list(std::move(group))));
  }
  return in.heap.list(std::move(out));
}

Value attr(Interpreter& in, const Value& self, const Args& args) {
  // Of the keys of a dict it knows none, as getattr.
  if (self.is(Kind::dict) && find_method(self, in.text(args[0])) == nullptr) return {};
  return in.attribute(self, *in.heap.string(in.text(args[0])).string);
}

Value map(Interpreter& in, const Value& self, const Args& args) {
  Call call = *args.call;
  List out;
  if (!truth(self)) return in.heap.iterator({});
  if (call.positional.empty()) {
    Value path = Value::absent(), otherwise = Value::absent();
    for (const auto& [name, value] : call.named) {
      if (name != "attribute" && name != "default") fail(fmt::format("\"map\" has no argument \"{}\"", name));
      (name == "attribute" ? path : otherwise) = value;
    }
    if (path.is_absent()) fail("\"map\" takes a filter or an attribute");
    if (otherwise.is(Kind::none)) otherwise = Value::absent();
    for (const Value& item : items_of(in.heap, self)) out.push_back(get_path(in, item, path, otherwise));
    return in.heap.iterator(std::move(out));
  }
  const std::string name = in.text(call.positional[0]);
  call.positional.erase(call.positional.begin());
  for (const Value& item : items_of(in.heap, self)) out.push_back(in.filter(name, item, call));
  return in.heap.iterator(std::move(out));
}

Value pick(Interpreter& in, const Value& self, const Args& args, bool wanted, bool by_attribute) {
  if (!truth(self)) return in.heap.iterator({});
  Call call = *args.call;
  const size_t skipped = by_attribute ? 1 : 0;
  if (call.positional.size() < skipped) fail("an attribute is missing");
  const Value path = by_attribute ? call.positional[0] : Value::absent();
  const bool tested = call.positional.size() > skipped;
  const std::string name = tested ? in.text(call.positional[skipped]) : "";
  call.positional.erase(call.positional.begin(),
                        call.positional.begin() + static_cast<ptrdiff_t>(skipped + (tested ? 1 : 0)));
  List out;
  for (const Value& item : items_of(in.heap, self)) {
    const Value value = get_path(in, item, path);
    if ((tested ? in.test(name, value, call) : truth(value)) == wanted) out.push_back(item);
  }
  return in.heap.iterator(std::move(out));
}

Value select(Interpreter& in, const Value& self, const Args& args) { return pick(in, self, args, true, false); }
Value reject(Interpreter& in, const Value& self, const Args& args) { return pick(in, self, args, false, false); }
Value selectattr(Interpreter& in, const Value& self, const Args& args) { return pick(in, self, args, true, true); }
Value rejectattr(Interpreter& in, const Value& self, const Args& args) { return pick(in, self, args, false, true); }

constexpr Row kSequenceFilters[] = {
    {"length", "", length},
    {"count", "", length},
    {"list", "", list},
    {"first", "", first},
    {"last", "", last},
    {"reverse", "", reverse},
    {"join", "d? attribute?", join},
    {"default", "default_value? boolean?", default_value},
    {"d", "default_value? boolean?", default_value},
    {"items", "", items},
    {"dictsort", "case_sensitive? by? reverse?", dictsort},
    {"sort", "reverse? case_sensitive? attribute?", sort},
    {"unique", "case_sensitive? attribute?", unique},
    {"min", "case_sensitive? attribute?", minimum},
    {"max", "case_sensitive? attribute?", maximum},
    {"sum", "attribute? start?", sum},
    {"batch", "linecount fill_with?", batch},
    {"slice", "slices fill_with?", slice},
    {"groupby", "attribute default? case_sensitive?", groupby},
    {"attr", "name", attr},
    {"map", "*", map},
    {"select", "*", select},
    {"reject", "*", reject},
    {"selectattr", "*", selectattr},
    {"rejectattr", "*", rejectattr},
};

}  // namespace

std::span<const Row> sequence_filters() { return kSequenceFilters; }

const Row* find_filter(std::string_view name) {
  for (const auto& rows : {text_filters(), sequence_filters()}) {
    for (const Row& row : rows) {
      if (row.name == name) return &row;
    }
  }
  return nullptr;
}

}  // namespace lowbit::text::jinja
