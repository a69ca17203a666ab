#include "formats/array.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <variant>
#include <vector>

#include "base/bits.h"
#include "base/check.h"
#include "formats/array_plans.h"
#include "formats/codebook.h"
#include "formats/codes.h"
#include "formats/exact.h"

namespace lowbit::formats {
namespace {

// Numbers given to a thread at a time; a multiple of 64, so that random words begin at a block.
constexpr int64_t kGrain = 1 << 14;

// ---- plans -------------------------------------------------------------------------------------------------------

Specials specials_of(const ElementFormat& f, const CastPolicy& policy) {
  Specials s;
  const double beyond = std::numeric_limits<double>::max();
  for (const bool negative : {false, true}) {
    const double sign = negative ? -1.0 : 1.0;
    s.zero[negative] = encode(f, sign * 0.0, policy);
    // Where random bits decide, what lies this far beyond does not depend on them.
    s.beyond[negative] = encode(f, sign * beyond, policy);
    s.infinite[negative] = encode(f, sign * HUGE_VAL, policy);
    s.zero_value[negative] = f.decode(s.zero[negative]);
    s.beyond_value[negative] = f.decode(s.beyond[negative]);
    s.infinite_value[negative] = f.decode(s.infinite[negative]);
  }
  s.nan = encode(f, std::nan(""), policy);
  s.nan_value = f.decode(s.nan);
  return s;
}

bool is_fixed(const ElementFormat& f) { return f.kind == ElementKind::integer || f.kind == ElementKind::fixed; }

// Are the numbers of the format a float's, evenly spaced below the least normal one, and all of them floats that the
// kernels can make?
bool has_steps(const ElementFormat& f) {
  if (is_fixed(f)) return true;
  return f.kind == ElementKind::floating && f.has_zero && f.subnormals == Subnormals::gradual && f.bits < 32 &&
         f.bias <= 127 && exact_in_float(f);
}

// Which remainders the deterministic roundings take away from zero.
uint32_t rules_of(Rounding rounding) {
  uint32_t rules = 0;
  for (const uint32_t negative : {0u, 1u}) {
    for (const uint32_t odd : {0u, 1u}) {
      const bool nearest = rounding <= Rounding::nearest_odd;
      const bool outward = rounding == Rounding::away || (rounding == Rounding::to_odd && odd == 0) ||
                           rounding == (negative != 0 ? Rounding::down : Rounding::up);
      const bool tie = (rounding == Rounding::nearest_even && odd == 1) || rounding == Rounding::nearest_away ||
                       (rounding == Rounding::nearest_odd && odd == 0);
      const uint32_t row = 6 * negative + 3 * odd;
      rules |= (outward ? 1u : 0u) << row;
      rules |= (outward || tie ? 1u : 0u) << (row + 1);
      rules |= (outward || nearest ? 1u : 0u) << (row + 2);
    }
  }
  return rules;
}

char letter_of(Rounding rounding) {
  constexpr std::array<std::pair<Rounding, char>, 4> kLetters = {{{Rounding::stochastic, 'a'},
                                                                  {Rounding::stochastic_b, 'b'},
                                                                  {Rounding::stochastic_c, 'c'},
                                                                  {Rounding::stochastic_equal, 'e'}}};
  for (const auto& [row, letter] : kLetters) {
    if (row == rounding) return letter;
  }
  return 0;
}

StepCast step_plan(const ElementFormat& f, const CastPolicy& policy, uint64_t seed) {
  StepCast p = {};
  p.fixed = is_fixed(f);
  p.mantissa_bits = p.fixed ? 0 : f.mantissa_bits;
  const int fraction = f.kind == ElementKind::fixed ? f.fraction_bits : 0;
  p.least_field = p.fixed ? 127 - fraction : 128 - f.bias;
  if (p.fixed) {
    p.most[0] = (1u << (f.is_signed ? f.bits - 1 : f.bits)) - 1;
    p.most[1] = f.is_signed ? 1u << (f.bits - 1) : 0;
    p.limit = std::ldexp(1.0f, f.bits + 1 - fraction);
  } else {
    p.most[0] = p.most[1] = max_magnitude(f);
    p.sign_code = sign_mask(f);
    p.limit = std::numeric_limits<float>::max();
  }
  p.has_sign = f.is_signed;
  p.code_mask = f.code_count() - 1;
  p.quantum = p.fixed ? std::ldexp(1.0f, -fraction) : std::ldexp(1.0f, 1 - f.bias - f.mantissa_bits);
  p.rules = rules_of(policy.rounding);
  p.jam = policy.rounding == Rounding::jam;
  p.stochastic = letter_of(policy.rounding);
  p.random_bits = policy.random_bits;
  p.seed = seed;
  p.same_exponents = !p.fixed && p.least_field == 1;
  const Specials& s = p.specials = specials_of(f, policy);
  p.plain_zero = p.fixed ? false : s.zero[1] == sign_mask(f) && f.is_signed;
  p.plain_infinity = s.infinite[0] == s.beyond[0] && s.infinite[1] == s.beyond[1];
  return p;
}

}  // namespace

const ArrayKernels& array_kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) return avx512_kernels();
  if (isa == Isa::avx2) return avx2_kernels();
#endif
  return portable_kernels();
}

// The largest finite value, and the power of two above it, leave room for the magic number above them.
bool has_magic(const ElementFormat& f, const CastPolicy& policy) {
  return policy.rounding == Rounding::nearest_even && f.kind == ElementKind::floating && f.is_signed &&
         f.mantissa_bits >= 1 && has_steps(f) &&
         (f.bias == 127 || (f.bias + f.mantissa_bits <= 127 && f.max_exponent() + 1 + 23 - f.mantissa_bits <= 127));
}

MagicCast magic_plan(const ElementFormat& f, const CastPolicy& policy) {
  MagicCast p = {};
  const float least_normal = std::ldexp(1.0f, 1 - f.bias);
  p.least_exponent = float_bits(least_normal);
  p.drop = 23 - f.mantissa_bits;
  p.gap = static_cast<uint32_t>(p.drop) << 23;
  p.same_exponents = f.bias == 127;
  p.most = f.max_value();
  // Halfway to the next code, which an odd one gives up to it.
  const float half = p.most + std::ldexp(1.0f, f.max_exponent() - f.mantissa_bits - 1);
  p.beyond_from = (max_magnitude(f) & 1) != 0 ? half : std::nextafter(half, std::numeric_limits<float>::infinity());
  p.specials = specials_of(f, policy);
  p.plain = p.specials.beyond_value[0] == p.most && p.specials.infinite_value[0] == p.most;
  p.signed_zero = f.nan != NanKind::negative_zero;
  p.code_offset = (0u - (static_cast<uint32_t>(128 - f.bias) << f.mantissa_bits)) & 0xFFFFu;
  p.sign_shift = 32 - f.bits;
  p.sign_code = sign_mask(f);
  return p;
}

bool has_fixed(const ElementFormat& f, const CastPolicy& policy) {
  return is_fixed(f) && policy.rounding == Rounding::nearest_even;
}

FixedCast fixed_plan(const ElementFormat& f) {
  const int fraction = f.kind == ElementKind::fixed ? f.fraction_bits : 0;
  FixedCast p;
  p.scale = std::ldexp(1.0f, fraction);
  p.quantum = std::ldexp(1.0f, -fraction);
  p.low = f.min_value() * p.scale;
  p.high = f.max_value() * p.scale;
  p.code_mask = f.code_count() - 1;
  return p;
}

namespace {

// The least float that is not below a double.
float float_from(double x) {
  const auto t = static_cast<float>(x);
  return static_cast<double>(t) >= x ? t : std::nextafter(t, std::numeric_limits<float>::infinity());
}

struct Table {
  std::vector<float> thresholds, values;
  std::vector<uint32_t> codes;
  TableCast plan = {};
};

struct Entry {
  double value;
  uint32_t code;
};

// Where the code of `encode` changes between two neighbouring values: the least float that gives the upper one.
float change_between(const ElementFormat& f, const CastPolicy& policy, const Entry& low, const Entry& high) {
  // By bisection over the ordered bits of floats: the codes are monotone.
  const auto order = [](float x) {
    const int64_t u = float_bits(x);
    return (u & 0x80000000) != 0 ? 0x80000000 - u : u;
  };
  const auto from_order = [](int64_t k) { return bits_float(static_cast<uint32_t>(k < 0 ? 0x80000000 - k : k)); };
  int64_t below = order(float_from(low.value)), above = order(float_from(high.value));
  while (above - below > 1) {
    const int64_t middle = below + (above - below) / 2;
    const double got = decode_exact(f, encode(f, static_cast<double>(from_order(middle)), policy)).to_double();
    (got > low.value ? above : below) = middle;
  }
  return from_order(above);
}

// A search among all values does for the elements that no formula covers. Infinities become what the ends are, so the
// saturation must clamp.
bool has_table(const ElementFormat& f, const CastPolicy& policy) {
  // What a rounding does between two values does not depend on more than the place; jam moves the values too.
  if (is_stochastic(policy.rounding) || f.bits > 8 || !exact_in_float(f)) return false;
  if (f.kind == ElementKind::floating && policy.rounding == Rounding::jam) return false;
  if (f.kind == ElementKind::codebook) return policy.saturation != Saturation::none || !f.codebook->index.nan;
  return f.kind == ElementKind::floating && policy.saturation == Saturation::finite;
}

Table make_table(const ElementFormat& f, const CastPolicy& policy) {
  std::vector<Entry> entries;
  for (uint32_t code = 0; code < f.code_count(); ++code) {
    const Exact x = decode_exact(f, code);
    if (x.is_finite() && encode(f, x, policy) == code) entries.push_back({x.to_double(), code});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.value != b.value ? a.value < b.value : std::signbit(a.value) > std::signbit(b.value);
  });
  Table t;
  const size_t count = std::bit_ceil(entries.size());
  t.thresholds.assign(std::max<size_t>(count, 2) - 1, std::numeric_limits<float>::quiet_NaN());
  t.values.assign(std::max<size_t>(count, 2), 0.0f);
  t.codes.assign(t.values.size(), 0);
  for (size_t i = 0; i < entries.size(); ++i) {
    t.values[i] = static_cast<float>(entries[i].value);
    t.codes[i] = entries[i].code;
    if (i > 0) t.thresholds[i - 1] = change_between(f, policy, entries[i - 1], entries[i]);
  }
  t.plan.steps = std::countr_zero(t.values.size());
  t.plan.nan = encode(f, std::nan(""), policy);
  t.plan.nan_value = f.decode(t.plan.nan);
  t.plan.minus_zero = encode(f, -0.0, policy);
  t.plan.minus_zero_value = f.decode(t.plan.minus_zero);
  t.plan.thresholds = t.thresholds.data();
  t.plan.values = t.values.data();
  t.plan.codes = t.codes.data();
  return t;
}

// Tables are kept, as making one takes longer than casting a short array.
std::shared_ptr<const Table> table_of(const ElementFormat& f, const CastPolicy& policy) {
  struct Slot {
    ElementFormat element;
    CastPolicy policy;
    std::shared_ptr<const Table> table;
  };
  thread_local std::array<Slot, 4> slots;
  thread_local unsigned next = 0;
  for (const Slot& slot : slots) {
    if (slot.table && slot.policy == policy && slot.element == f) return slot.table;
  }
  auto table = std::make_shared<const Table>(make_table(f, policy));
  slots[next++ % slots.size()] = {f, policy, table};
  return table;
}

// ---- running -----------------------------------------------------------------------------------------------------

template <class Body>
void in_parts(int64_t count, ThreadPool* pool, const Body& body) {
  if (pool == nullptr || count <= kGrain) {
    body(int64_t{0}, count);
    return;
  }
  pool->parallel_for(ceil_div(count, kGrain), 1,
                     [&](int64_t begin, int64_t end, int) { body(begin * kGrain, std::min(end * kGrain, count)); });
}

// What each kind of output calls.
void run(const ArrayKernels& k, const StepCast& p, const float* in, float* out, int64_t n, uint64_t first) {
  k.step_cast(p, in, out, n, first);
}
void run(const ArrayKernels& k, const StepCast& p, const float* in, uint8_t* out, int64_t n, uint64_t first) {
  k.step_codes8(p, in, out, n, first);
}
void run(const ArrayKernels& k, const StepCast& p, const float* in, uint16_t* out, int64_t n, uint64_t first) {
  k.step_codes16(p, in, out, n, first);
}
void run(const ArrayKernels& k, const MagicCast& p, const float* in, float* out, int64_t n, uint64_t) {
  k.magic_cast(p, in, out, n);
}
void run(const ArrayKernels& k, const MagicCast& p, const float* in, uint8_t* out, int64_t n, uint64_t) {
  k.magic_codes8(p, in, out, n);
}
void run(const ArrayKernels& k, const MagicCast& p, const float* in, uint16_t* out, int64_t n, uint64_t) {
  k.magic_codes16(p, in, out, n);
}
void run(const ArrayKernels& k, const FixedCast& p, const float* in, float* out, int64_t n, uint64_t) {
  k.fixed_cast(p, in, out, n);
}
void run(const ArrayKernels& k, const FixedCast& p, const float* in, uint8_t* out, int64_t n, uint64_t) {
  k.fixed_codes8(p, in, out, n);
}
void run(const ArrayKernels& k, const FixedCast& p, const float* in, uint16_t* out, int64_t n, uint64_t) {
  k.fixed_codes16(p, in, out, n);
}
void run(const ArrayKernels& k, const std::shared_ptr<const Table>& t, const float* in, float* out, int64_t n,
         uint64_t) {
  k.table_cast(t->plan, in, out, n);
}
void run(const ArrayKernels& k, const std::shared_ptr<const Table>& t, const float* in, uint8_t* out, int64_t n,
         uint64_t) {
  k.table_codes8(t->plan, in, out, n);
}
template <class Out>
void run(const ArrayKernels&, const std::shared_ptr<const Table>&, const float*, Out*, int64_t, uint64_t) {
  LOWBIT_CHECK(false);  // tables are of at most 8 bits
}

void put(const ElementFormat& f, uint32_t code, float& out) { out = f.decode(code); }
template <class Code>
void put(const ElementFormat&, uint32_t code, Code& out) {
  out = static_cast<Code>(code);
}

// The scalar functions, for what has no kernel.
struct OneByOne {};

using Way = std::variant<OneByOne, StepCast, MagicCast, FixedCast, std::shared_ptr<const Table>>;

Way way_of(const ElementFormat& f, const ArrayOptions& options, bool wide_codes) {
  const CastPolicy& policy = options.policy;
  // Codes of 16 bits and more come from 8-bit elements too rarely for kernels of their own.
  if (has_table(f, policy) && !has_steps(f)) return wide_codes ? Way(OneByOne{}) : Way(table_of(f, policy));
  if (!has_steps(f) || policy.saturation == Saturation::wrap) return OneByOne{};
  if (has_fixed(f, policy)) return fixed_plan(f);
  if (has_magic(f, policy)) return magic_plan(f, policy);
  const bool more_bits = policy.random_bits == 32 &&
                         (policy.rounding == Rounding::stochastic_b || policy.rounding == Rounding::stochastic_c);
  if (more_bits) return OneByOne{};
  return step_plan(f, policy, options.seed);
}

template <class In, class Out>
void one_by_one(const ElementFormat& f, const In* in, Out* out, int64_t begin, int64_t end,
                const ArrayOptions& options) {
  for (int64_t i = begin; i < end; ++i) {
    const auto index = static_cast<uint64_t>(options.first + i);
    const uint32_t random = is_stochastic(options.policy.rounding) ? random_word(options.seed, index) : 0;
    put(f, encode(f, static_cast<double>(in[i]), options.policy, random), out[i]);
  }
}

template <class In, class Out>
void convert(const ElementFormat& f, const In* in, Out* out, int64_t count, const ArrayOptions& options) {
  LOWBIT_CHECK(options.first >= 0 && options.first % 64 == 0);
  // Doubles and codes of 32 bits have no kernels.
  constexpr bool kScalar = std::is_same_v<In, double> || std::is_same_v<Out, uint32_t>;
  const Way way = kScalar ? Way(OneByOne{}) : way_of(f, options, sizeof(Out) == 2);
  const ArrayKernels& kernels = array_kernels(options.isa);
  const auto part = [&](int64_t begin, int64_t end) {
    std::visit(
        [&](const auto& plan) {
          if constexpr (kScalar || std::is_same_v<std::decay_t<decltype(plan)>, OneByOne>) {
            one_by_one(f, in, out, begin, end, options);
          } else {
            run(kernels, plan, in + begin, out + begin, end - begin, static_cast<uint64_t>(options.first + begin));
          }
        },
        way);
  };
  in_parts(count, options.pool, part);
}

void decode(const ElementFormat& f, std::span<const uint8_t> in, std::span<float> out, const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size());
  const ArrayKernels& kernels = array_kernels(options.isa);
  const ByteDecode& plan = byte_decode(f);
  in_parts(static_cast<int64_t>(in.size()), options.pool, [&](int64_t begin, int64_t end) {
    kernels.decode8(plan, in.data() + begin, out.data() + begin, end - begin);
  });
}

template <class Code>
void decode(const ElementFormat& f, std::span<const Code> in, std::span<float> out, const ArrayOptions& options) {
  LOWBIT_CHECK(in.size() == out.size());
  const ArrayKernels& kernels = array_kernels(options.isa);
  const bool whole = sizeof(Code) < 4 && f.bits == 8 * sizeof(Code);
  // A table that has an entry for every pattern of the code's type needs no check of the codes.
  std::vector<float> padded;
  const float* table = nullptr;
  if (f.bits <= 16) {
    const std::span<const float> values = decode_table(f);
    table = values.data();
    if (!whole && sizeof(Code) < 4) {
      padded.assign(values.begin(), values.end());
      padded.resize(size_t{1} << (8 * sizeof(Code)), std::numeric_limits<float>::quiet_NaN());
      table = padded.data();
    }
  }
  in_parts(static_cast<int64_t>(in.size()), options.pool, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(Code) == 2) {
      kernels.decode16(table, in.data() + begin, out.data() + begin, end - begin);
    } else {
      for (int64_t i = begin; i < end; ++i) out[i] = f.decode(in[i]);
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
  in_parts(static_cast<int64_t>(in.size()), options.pool, [&](int64_t begin, int64_t end) {
    kernels.decode_bf16(plan, in.data() + begin, out.data() + begin, end - begin);
  });
}

}  // namespace lowbit::formats
