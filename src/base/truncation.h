// A file that becomes shorter while it is mapped ends the program with SIGBUS where a lost page is read. With the
// handler of this header it ends with one sentence and exit code 1 instead.
#pragma once

#include <cstddef>

namespace lowbit {

// For main(): from now on a read beyond the end of a mapped file writes "lowbit: FILE: became shorter while it was
// read" to standard error and exits with 1. Every other SIGBUS does what it did.
void install_truncation_handler();

// Kept by MappedFile. `path` stays valid until forget_map. Beyond a fixed number of maps at once one is not
// remembered.
void remember_map(const std::byte* data, size_t size, const char* path);
void forget_map(const std::byte* data);

}  // namespace lowbit
