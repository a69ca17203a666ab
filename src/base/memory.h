// How much memory a program may still take.
#pragma once

#include <cstdint>

namespace lowbit {

// Bytes that the system can give without swapping, and that the limit of a control group (a container) leaves.
uint64_t available_memory();

}  // namespace lowbit
