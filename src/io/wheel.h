// Reads one member out of a zip archive.
#pragma once

#include <cstdint>
#include <string>

#include "base/progress.h"
#include "base/result.h"

namespace lowbit::io {

// Writes the member to `to`, which appears when it is complete. An error where the member is missing or has not
// exactly `bytes` bytes. Progress counts bytes.
Status extract_member(const std::string& archive, const std::string& member, uint64_t bytes, const std::string& to,
                      const ProgressFn& progress = {});

}  // namespace lowbit::io
