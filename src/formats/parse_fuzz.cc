// Any bytes: either an error of one line, or a format that prints and parses back to itself.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "formats/format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowbit::formats;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto format = parse_format(text); format.ok()) {
    const auto again = parse_format(print(*format));
    LOWBIT_CHECK(again.ok() && *again == *format);
  } else {
    LOWBIT_CHECK(!format.message().empty() && format.message().find('\n') == std::string::npos);
  }
  if (const auto element = parse_element(text); element.ok()) {
    const auto again = parse_element(print(*element));
    LOWBIT_CHECK(again.ok() && *again == *element);
  }
  return 0;
}
