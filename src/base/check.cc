#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace lowbit {

void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: internal error: %s does not hold\n", file, line, condition);
  std::abort();
}

}  // namespace lowbit
