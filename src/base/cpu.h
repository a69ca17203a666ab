// Which instruction sets this processor has, and which one dispatch may use.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit {

// Ascending: a processor that has one has the lower ones of its target, too, with one exception: some that have
// avx512 lack avxvnni. So ask offered_isas(), and compare nothing with detected_isa(). portable: the baseline of the
// target. neon: of AArch64, with the dot products of Armv8.2. avx2: AVX2 + FMA + F16C. avxvnni: avx2 and AVX-VNNI.
// avx512: F, BW, DQ, VL, VNNI, VBMI, VPOPCNTDQ, GFNI (BF16 is asked for apart: has_bf16_products() of
// kernels/limits). amx: avx512 and the tiles of AMX-INT8, where the system lets programs use them.
enum class Isa { portable = 0, neon = 1, avx2 = 2, avxvnni = 3, avx512 = 4, amx = 5 };
constexpr int kIsas = 6;

std::string_view isa_name(Isa isa);
// All of them, by value.
std::span<const std::string_view> isa_names();

// The instruction sets of this processor, portable first.
std::span<const Isa> offered_isas();

// The one of this name that this processor offers; the error begins with `what` ("--isa").
Result<Isa> offered_isa(std::string_view what, std::string_view name);

// The best instruction set of this processor.
Isa detected_isa();

// What dispatch uses: detected_isa(), or what the environment variable LOWBIT_ISA asks for (portable, avx2, ...).
// A name that is unknown or that the processor lacks is an error, said once by the program (check_isa_override).
Isa active_isa();

// The sentence about a wrong LOWBIT_ISA; ok where it is unset or right.
Status check_isa_override();

// Makes of processors that fetch memory ahead by themselves in different ways.
enum class CpuMake : uint8_t { other, intel, zen5 };  // zen5: of AMD, family 26 and later
CpuMake cpu_make();

// "Intel(R) Xeon(R) ...": what the system calls this processor.
std::string cpu_name();

}  // namespace lowbit
