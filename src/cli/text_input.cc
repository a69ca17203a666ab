#include "cli/text_input.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/file.h"

namespace lowbit::cli {

Result<std::string> read_input(const std::string& path) {
  constexpr uint64_t kMost = 4'000'000'000;
  if (path != "-") return read_text_file(path, kMost);
  std::string text;
  char block[1 << 16];
  while (const size_t count = std::fread(block, 1, sizeof block, stdin)) {
    text.append(block, count);
    if (text.size() > kMost) return errorf("standard input is longer than {} bytes", kMost);
  }
  if (std::ferror(stdin) != 0) return errorf("standard input cannot be read: {}", std::strerror(errno));
  return text;
}

}  // namespace lowbit::cli
