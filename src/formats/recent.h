// What was made last for a few keys, kept because making it takes longer than using it once. For one thread.
#pragma once

#include <array>
#include <optional>
#include <tuple>
#include <utility>

namespace lowbit::formats {

template <class Value, class... Key>
class Recent {
 public:
  // The value of this key, or what make() gives. It stays until as many other keys were asked for as there are slots.
  template <class Make>
  const Value& find(const Make& make, const Key&... key) {
    for (const auto& slot : slots_) {
      if (slot && slot->first == std::tie(key...)) return slot->second;
    }
    auto& slot = slots_[next_++ % slots_.size()];
    slot.emplace(std::tuple<Key...>(key...), make());
    return slot->second;
  }

 private:
  std::array<std::optional<std::pair<std::tuple<Key...>, Value>>, 4> slots_;
  unsigned next_ = 0;
};

}  // namespace lowbit::formats
