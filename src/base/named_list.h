// Things with names, in the order in which they came, found by name without looking at all of them.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lowbit {

// T has a member `name`, which must not change while it is in the list. Of equal names the first is found.
template <class T>
class NamedList {
 public:
  NamedList() = default;
  NamedList(std::initializer_list<T> items) : NamedList(std::vector<T>(items)) {}
  NamedList(std::vector<T> items) : items_(std::move(items)) {
    for (size_t i = 0; i < items_.size(); ++i) index_.emplace(items_[i].name, i);
  }

  void push_back(T item) {
    index_.emplace(item.name, items_.size());
    items_.push_back(std::move(item));
  }
  // Null where there is none; valid until the next push_back().
  const T* find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &items_[found->second];
  }

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  T& operator[](size_t i) { return items_[i]; }
  const T& operator[](size_t i) const { return items_[i]; }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<T> items_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace lowbit
