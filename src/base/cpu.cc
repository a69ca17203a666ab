#include "base/cpu.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lowbit {
namespace {

constexpr std::string_view kNames[kIsas] = {"portable", "neon", "avx2", "avxvnni", "avx512", "amx"};

// Linux gives tiles to programs that ask for them (Documentation/arch/x86/xstate.rst), for all their threads to come.
bool may_use_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

#if defined(__x86_64__)
// Intel SDM volume 2, CPUID function 7.1.
bool has_avxvnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> out = {Isa::portable};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
                      __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("gfni");
  const bool amx = avx512 && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8");
  if (avx2) out.push_back(Isa::avx2);
  if (avx2 && has_avxvnni()) out.push_back(Isa::avxvnni);
  if (avx512) out.push_back(Isa::avx512);
  if (amx && may_use_tiles()) out.push_back(Isa::amx);
#elif defined(__aarch64__) && defined(__linux__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) out.push_back(Isa::neon);
#endif
  return out;
}

#if defined(__x86_64__)
// As the makers count: the base family and, where that is 15, what extends it (AMD APM volume 3, CPUID function 1).
unsigned cpu_family() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return 0;
  const unsigned base = eax >> 8 & 15;
  return base == 15 ? base + (eax >> 20 & 255) : base;
}
#endif

}  // namespace

std::string_view isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

std::span<const std::string_view> isa_names() { return kNames; }

std::span<const Isa> offered_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Result<Isa> offered_isa(std::string_view what, std::string_view name) {
  if (std::ranges::count(kNames, name) == 0) {
    return errorf("{} is \"{}\"; expected one of {}", what, name, fmt::join(kNames, ", "));
  }
  std::vector<std::string_view> offered;
  for (const Isa isa : offered_isas()) {
    if (name == isa_name(isa)) return isa;
    offered.push_back(isa_name(isa));
  }
  return errorf("{} asks for {}, but this processor offers {}", what, name, fmt::join(offered, ", "));
}

Isa detected_isa() { return offered_isas().back(); }

Status check_isa_override() {
  const char* text = std::getenv("LOWBIT_ISA");
  if (text == nullptr || *text == '\0') return {};
  const Result<Isa> isa = offered_isa("LOWBIT_ISA", text);
  return isa.ok() ? Status() : isa.error();
}

Isa active_isa() {
  static const Isa isa = [] {
    const char* text = std::getenv("LOWBIT_ISA");
    if (text == nullptr || !check_isa_override().ok() || *text == '\0') return detected_isa();
    return offered_isa("LOWBIT_ISA", text).value();
  }();
  return isa;
}

CpuMake cpu_make() {
#if defined(__x86_64__)
  static const CpuMake make = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_is("intel") != 0) return CpuMake::intel;
    constexpr unsigned kZen5 = 26;
    return __builtin_cpu_is("amd") != 0 && cpu_family() >= kZen5 ? CpuMake::zen5 : CpuMake::other;
  }();
  return make;
#else
  return CpuMake::other;
#endif
}

std::string cpu_name() {
  // Linux on AArch64 gives numbers in place of a name (the fields of MIDR_EL1).
  std::string implementer, part;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) return line.substr(colon + 2);
    if (implementer.empty() && line.starts_with("CPU implementer")) implementer = line.substr(colon + 2);
    if (part.empty() && line.starts_with("CPU part")) part = line.substr(colon + 2);
  }
  if (!part.empty()) return "processor of implementer " + implementer + ", part " + part;
  return "unknown processor";
}

}  // namespace lowbit
