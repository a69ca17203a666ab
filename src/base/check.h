// Checks for programmer errors. They stay on in every build; input errors use Result instead.
#pragma once

namespace lowbit {

[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace lowbit

#define LOWBIT_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::lowbit::check_failed(__FILE__, __LINE__, #condition))
