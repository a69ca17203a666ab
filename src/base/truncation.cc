#include "base/truncation.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace lowbit {
namespace {

// A fixed table, because a signal handler may neither lock nor allocate.
struct Slot {
  std::atomic<const std::byte*> data = nullptr;  // null: free, or being filled
  std::atomic<bool> taken = false;
  size_t size = 0;
  const char* path = nullptr;
};
std::array<Slot, 256> slots;

void say(const char* text) {
  size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t put = ::write(STDERR_FILENO, text, left);
    if (put <= 0) return;
    text += put;
    left -= static_cast<size_t>(put);
  }
}

void on_bus_error(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (const Slot& slot : slots) {
    const auto begin = reinterpret_cast<uintptr_t>(slot.data.load());
    if (begin == 0 || address < begin || address - begin >= slot.size) continue;
    say("lowbit: ");
    say(slot.path);
    say(": became shorter while it was read\n");
    ::_exit(1);
  }
  ::signal(signal, SIG_DFL);  // the instruction runs again and ends the program as ever
}

}  // namespace

void install_truncation_handler() {
  struct sigaction action{};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

void remember_map(const std::byte* data, size_t size, const char* path) {
  for (Slot& slot : slots) {
    if (slot.taken.exchange(true)) continue;
    slot.size = size;
    slot.path = path;
    slot.data = data;
    return;
  }
}

void forget_map(const std::byte* data) {
  for (Slot& slot : slots) {
    if (slot.data.load() != data) continue;
    slot.data = nullptr;
    slot.taken = false;
    return;
  }
}

}  // namespace lowbit
