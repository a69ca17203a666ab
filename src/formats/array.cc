#include "formats/array.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/bits.h"
#include "base/check.h"
#include "formats/array_plans.h"
#include "formats/codes.h"
#include "formats/exact.h"

namespace lowbit::formats {
namespace {

// Numbers given to a thread at a time; a multiple of 64, so that random words begin at a block.
constexpr int64_t kGrain = 1 << 14;
// And in the buffers between two kernels, likewise.
constexpr int64_t kPiece = 1 << 10;

// Results of so many bytes are not kept in caches; numbers copied past them at a time.
constexpr int64_t kStreamedBytes = int64_t{1} << 27;
constexpr int64_t kStreamed = 1 << 11;

template <class Body>
void in_parts(int64_t count, ThreadPool* pool, const Body& body) {
  if (pool == nullptr || count <= kGrain) {
    body(int64_t{0}, count);
    return;
  }
  pool->parallel_for(ceil_div(count, kGrain), 1,
                     [&](int64_t begin, int64_t end, int) { body(begin * kGrain, std::min(end * kGrain, count)); });
}

// The same for a body that writes its results to a given place: straight to `out`, or, where they are floats and more
// than caches hold, to a buffer that is copied past the caches. (Codes, which are shorter, gain nothing from that.)
template <class Out, class Body>
void in_parts_to(const ArrayKernels& kernels, Out* out, int64_t count, ThreadPool* pool, const Body& body) {
  if (!std::is_same_v<Out, float> || count < kStreamedBytes / static_cast<int64_t>(sizeof(Out))) {
    in_parts(count, pool, [&](int64_t begin, int64_t end) { body(begin, end, out + begin); });
    return;
  }
  in_parts(count, pool, [&](int64_t begin, int64_t end) {
    alignas(64) std::array<Out, kStreamed> buffer;
    for (int64_t i = begin; i < end; i += kStreamed) {
      const int64_t next = std::min(i + kStreamed, end);
      body(i, next, buffer.data());
      kernels.stream(buffer.data(), out + i, (next - i) * static_cast<int64_t>(sizeof(Out)));
    }
  });
}

template <class Plan>
const Plan& plan_of(const Plan& plan) {
  return plan;
}
template <class Plan>
const Plan& plan_of(const Held<Plan>& held) {
  return held.plan;
}

const PlanKernels<StepCast>& kernels_of(const ArrayKernels& k, const StepCast&) { return k.steps; }
const PlanKernels<MagicCast>& kernels_of(const ArrayKernels& k, const MagicCast&) { return k.magic; }
const PlanKernels<FixedCast>& kernels_of(const ArrayKernels& k, const FixedCast&) { return k.fixed; }
const PlanKernels<CarryCast>& kernels_of(const ArrayKernels& k, const CarryCast&) { return k.carry; }
const PlanKernels<TableCast>& kernels_of(const ArrayKernels& k, const TableCast&) { return k.table; }
const PlanKernels<NeighbourCast>& kernels_of(const ArrayKernels& k, const NeighbourCast&) { return k.neighbours; }
const PlanKernels<PositCast>& kernels_of(const ArrayKernels& k, const PositCast&) { return k.posits; }

// What each kind of output calls.
template <class Plan>
void run(const PlanKernels<Plan>& k, const Plan& p, const float* in, float* out, int64_t n, uint64_t first) {
  k.values(p, in, out, n, first);
}
template <class Plan>
void run(const PlanKernels<Plan>& k, const Plan& p, const float* in, uint8_t* out, int64_t n, uint64_t first) {
  k.codes8(p, in, out, n, first);
}
template <class Plan>
void run(const PlanKernels<Plan>& k, const Plan& p, const float* in, uint16_t* out, int64_t n, uint64_t first) {
  k.codes16(p, in, out, n, first);
}

// Plans with a kernel for doubles.
bool by_doubles(const StepCast& p) { return p.chance.letter != 0; }
template <class Plan>
bool by_doubles(const Plan&) {
  return false;
}
void encode_doubles(const ArrayKernels& k, const StepCast& p, const double* in, uint16_t* out, int64_t n,
                    uint64_t first) {
  k.step_doubles(p, in, out, n, first);
}
template <class Plan>
void encode_doubles(const ArrayKernels&, const Plan&, const double*, uint16_t*, int64_t, uint64_t) {}

// The same through buffers, for what kernels do not read or write: doubles, codes of 32 bits, and values that they
// make no other way than by their codes (with a table of them).
template <class In, class Out, class Plan>
void run_in_pieces(const ArrayKernels& k, const Plan& p, const float* table, const In* in, Out* out, int64_t n,
                   uint64_t first) {
  constexpr bool kDoubles = std::is_same_v<In, double>;
  std::array<float, kPiece> floats;
  std::array<uint16_t, kPiece> codes;
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = std::min(n - i, kPiece);
    const uint64_t index = first + static_cast<uint64_t>(i);
    const float* from = floats.data();
    if constexpr (!kDoubles) {
      from = in + i;
    } else if (by_doubles(p)) {
      encode_doubles(k, p, in + i, codes.data(), count, index);
      std::copy_n(codes.data(), count, out + i);
      continue;
    } else {
      k.odd_floats(in + i, floats.data(), count);
    }
    if constexpr (std::is_same_v<Out, uint32_t>) {
      run(kernels_of(k, p), p, from, codes.data(), count, index);
      std::copy_n(codes.data(), count, out + i);
    } else {
      run(kernels_of(k, p), p, from, codes.data(), count, index);
      k.decode16(table, codes.data(), out + i, count);
    }
  }
}

void put(const ElementFormat& f, uint32_t code, float& out) { out = f.decode(code); }
template <class Code>
void put(const ElementFormat&, uint32_t code, Code& out) {
  out = static_cast<Code>(code);
}

template <class In, class Out>
void one_by_one(const ElementFormat& f, const In* in, Out* to, int64_t begin, int64_t end,
                const ArrayOptions& options) {
  for (int64_t i = begin; i < end; ++i) {
    const auto index = static_cast<uint64_t>(options.first + i);
    const uint32_t random = is_stochastic(options.policy.rounding) ? random_word(options.seed, index) : 0;
    put(f, encode(f, static_cast<double>(in[i]), options.policy, random), to[i - begin]);
  }
}

template <class In, class Out>
void convert(const ElementFormat& f, const In* in, Out* out, int64_t count, const ArrayOptions& options) {
  LOWBIT_CHECK(options.first >= 0 && options.first % 64 == 0);
  constexpr bool kDoubles = std::is_same_v<In, double>;
  constexpr bool kWide = std::is_same_v<Out, uint32_t>;
  static const Way kOneByOne = OneByOne{};
  const Numbers numbers = kDoubles ? Numbers::doubles : Numbers::floats;
  const Way& way = !kWide || f.bits <= 16 ? way_of(f, options.policy, options.seed, numbers) : kOneByOne;
  const ArrayKernels& kernels = array_kernels(options.isa);
  const bool by_codes = std::holds_alternative<PositCast>(way) && !has_posit_values(f);
  const float* table = by_codes ? padded_table(f).data() : nullptr;
  const auto part = [&](const auto& plan, int64_t begin, int64_t end, Out* to) {
    const int64_t n = end - begin;
    const auto first = static_cast<uint64_t>(options.first + begin);
    if constexpr (std::is_same_v<std::decay_t<decltype(plan)>, OneByOne>) {
      one_by_one(f, in, to, begin, end, options);
    } else if constexpr (kDoubles || kWide) {
      run_in_pieces(kernels, plan_of(plan), table, in + begin, to, n, first);
    } else {
      if constexpr (std::is_same_v<Out, float>) {
        if (by_codes) return run_in_pieces(kernels, plan_of(plan), table, in + begin, to, n, first);
      }
      run(kernels_of(kernels, plan_of(plan)), plan_of(plan), in + begin, to, n, first);
    }
  };
  in_parts_to(kernels, out, count, options.pool, [&](int64_t begin, int64_t end, Out* to) {
    std::visit([&](const auto& plan) { part(plan, begin, end, to); }, way);
  });
}

void decode(const ElementFormat& f, std::span<const uint8_t> in, std::span<float> out, const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size());
  const ArrayKernels& kernels = array_kernels(options.isa);
  const ByteDecode& plan = byte_decode(f);
  in_parts_to(kernels, out.data(), std::ssize(in), options.pool, [&](int64_t begin, int64_t end, float* to) {
    kernels.decode8(plan, in.data() + begin, to, end - begin);
  });
}

template <class Code>
void decode(const ElementFormat& f, std::span<const Code> in, std::span<float> out, const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size());
  const ArrayKernels& kernels = array_kernels(options.isa);
  const float* table = nullptr;
  const auto plan = sizeof(Code) == 2 ? word_decode(f) : std::nullopt;
  if (sizeof(Code) == 2 && !plan) table = padded_table(f).data();
  in_parts_to(kernels, out.data(), std::ssize(in), options.pool, [&](int64_t begin, int64_t end, float* to) {
    if constexpr (sizeof(Code) == 2) {
      if (plan) return kernels.decode_words(*plan, in.data() + begin, to, end - begin);
      kernels.decode16(table, in.data() + begin, to, end - begin);
    } else {
      for (int64_t i = begin; i < end; ++i) to[i - begin] = f.decode(in[i]);
    }
  });
}

}  // namespace

void cast_array(const ElementFormat& format, std::span<const float> in, std::span<float> out,
                const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size());
  convert(format, in.data(), out.data(), static_cast<int64_t>(in.size()), options);
}

void cast_array(const ElementFormat& format, const float* in, float* out, int64_t count, Stride stride,
                const ArrayOptions& options) {
  LOWBIT_CHECK(count >= 0 && stride.in != 0 && stride.out != 0);
  if (stride.in == 1 && stride.out == 1) return convert(format, in, out, count, options);
  std::vector<float> row(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) row[static_cast<size_t>(i)] = in[i * stride.in];
  convert(format, row.data(), row.data(), count, options);
  for (int64_t i = 0; i < count; ++i) out[i * stride.out] = row[static_cast<size_t>(i)];
}

void encode_array(const ElementFormat& format, std::span<const float> in, std::span<uint8_t> out,
                  const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size() && format.bits <= 8);
  convert(format, in.data(), out.data(), static_cast<int64_t>(in.size()), options);
}

void encode_array(const ElementFormat& format, std::span<const float> in, std::span<uint16_t> out,
                  const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size() && format.bits <= 16);
  convert(format, in.data(), out.data(), static_cast<int64_t>(in.size()), options);
}

void encode_array(const ElementFormat& format, std::span<const float> in, std::span<uint32_t> out,
                  const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size());
  convert(format, in.data(), out.data(), static_cast<int64_t>(in.size()), options);
}

void encode_array(const ElementFormat& format, std::span<const double> in, std::span<uint32_t> out,
                  const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size());
  convert(format, in.data(), out.data(), static_cast<int64_t>(in.size()), options);
}

void decode_array(const ElementFormat& format, std::span<const uint8_t> in, std::span<float> out,
                  const ArrayOptions& options) {
  LOWBIT_CHECK(format.bits <= 8);
  decode(format, in, out, options);
}

void decode_array(const ElementFormat& format, std::span<const uint16_t> in, std::span<float> out,
                  const ArrayOptions& options) {
  LOWBIT_CHECK(format.bits <= 16);
  decode(format, in, out, options);
}

void decode_array(const ElementFormat& format, std::span<const uint32_t> in, std::span<float> out,
                  const ArrayOptions& options) {
  decode(format, in, out, options);
}

void decode_to_bf16(const ElementFormat& format, std::span<const uint8_t> in, std::span<uint16_t> out,
                    const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size() && format.bits <= 8);
  const ByteDecode& plan = byte_decode(format);
  const ArrayKernels& kernels = array_kernels(options.isa);
  in_parts_to(kernels, out.data(), std::ssize(in), options.pool, [&](int64_t begin, int64_t end, uint16_t* to) {
    kernels.decode_bf16(plan, in.data() + begin, to, end - begin);
  });
}

}  // namespace lowbit::formats
