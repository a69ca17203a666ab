// Result<T>: a value or one sentence that says what went wrong. Used at the edges (files, commands, API).
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace lowbit {

// One clear sentence: names the file, the offset or the tensor, what was found and what was expected.
struct Error {
  std::string message;
};

template <class... Args>
Error errorf(fmt::format_string<Args...> format, Args&&... args) {
  return Error{fmt::format(format, std::forward<Args>(args)...)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    LOWBIT_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    LOWBIT_CHECK(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    LOWBIT_CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    LOWBIT_CHECK(!ok());
    return std::get<1>(state_);
  }
  const std::string& message() const { return error().message; }

 private:
  std::variant<T, Error> state_;
};

// A Result without a value: `return {};` is success.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const {
    LOWBIT_CHECK(!ok_);
    return error_;
  }
  const std::string& message() const { return error().message; }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

}  // namespace lowbit

#define LOWBIT_CONCAT_INNER(a, b) a##b
#define LOWBIT_CONCAT(a, b) LOWBIT_CONCAT_INNER(a, b)

// LOWBIT_TRY(expression): returns the error of a Status to the caller.
#define LOWBIT_TRY(...)                                \
  do {                                                 \
    if (auto status_ = (__VA_ARGS__); !status_.ok()) { \
      return status_.error();                          \
    }                                                  \
  } while (false)

// LOWBIT_ASSIGN(auto x, expression): x = value, or returns the error to the caller.
#define LOWBIT_ASSIGN(target, ...) LOWBIT_ASSIGN_INNER(LOWBIT_CONCAT(result_, __LINE__), target, __VA_ARGS__)
#define LOWBIT_ASSIGN_INNER(name, target, ...) \
  auto name = (__VA_ARGS__);                   \
  if (!name.ok()) return name.error();         \
  target = std::move(name).value()
