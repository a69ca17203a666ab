#include "arith/operations.h"

#include <algorithm>
#include <array>
#include <bit>

#include "arith/fixed_point.h"
#include "base/check.h"

namespace lowbit::arith {
namespace {

using Wide = unsigned __int128;

Exact nothing_left(Rounding rounding) { return Exact::zero(rounding == Rounding::down); }

// Of zeros alone: their sign where they agree.
Exact sum_of_zeros(std::span<const Exact> zeros, Rounding rounding) {
  const bool agree = std::ranges::all_of(zeros, [&](const Exact& x) { return x.negative == zeros[0].negative; });
  return agree ? Exact::zero(zeros[0].negative) : nothing_left(rounding);
}

// The sum of up to three finite numbers that are not 0, ordered by descending exponent. They are laid into 256 bits
// with room for two carries; what is too small for that lies more than 120 bits below the sum of the others, unless
// those cancel, and counts by its sign alone.
Exact sum_ordered(std::span<const Exact> terms, Rounding rounding) {
  if (terms.empty()) return nothing_left(rounding);
  std::array<uint64_t, 4> limbs{};
  const int64_t scale = int64_t{terms[0].exponent} - 252;
  size_t used = 0;
  for (; used < terms.size() && int64_t{terms[used].exponent} - 63 >= scale; ++used) {
    add_at(limbs, terms[used].significand, terms[used].exponent - 63 - scale, terms[used].negative);
  }
  const std::span<const Exact> small = terms.subspan(used);
  if (is_zero(limbs)) return sum_ordered(small, rounding);
  Exact tail = Exact::zero();
  for (const Exact& x : small) tail = formats::add(tail, x);
  return read_fixed(limbs, scale, tail.is_zero() ? 0 : tail.negative ? -1 : 1);
}

// Up to three numbers.
Exact sum(std::span<const Exact> terms, Rounding rounding) {
  std::array<Exact, 3> finite;
  size_t count = 0;
  const Exact* infinite = nullptr;
  for (const Exact& x : terms) {
    LOWBIT_CHECK(!x.sticky);
    if (x.is_nan()) return x;
    if (x.is_infinite()) {
      if (infinite != nullptr && infinite->negative != x.negative) return Exact::nan();
      infinite = &x;
    }
  }
  if (infinite != nullptr) return *infinite;
  for (const Exact& x : terms) {
    if (!x.is_zero()) finite[count++] = x;
  }
  if (count == 0) return sum_of_zeros(terms, rounding);
  std::sort(finite.begin(), finite.begin() + static_cast<ptrdiff_t>(count),
            [](const Exact& x, const Exact& y) { return x.exponent > y.exponent; });
  return sum_ordered({finite.data(), count}, rounding);
}

Exact row_add(const Exact* x, Rounding rounding) { return add(x[0], x[1], rounding); }
Exact row_subtract(const Exact* x, Rounding rounding) { return subtract(x[0], x[1], rounding); }
Exact row_multiply(const Exact* x, Rounding) { return multiply(x[0], x[1]); }
Exact row_divide(const Exact* x, Rounding) { return divide(x[0], x[1]); }
Exact row_square_root(const Exact* x, Rounding) { return square_root(x[0]); }
Exact row_fma(const Exact* x, Rounding rounding) { return fma(x[0], x[1], x[2], rounding); }
Exact row_faa(const Exact* x, Rounding rounding) { return faa(x[0], x[1], x[2], rounding); }
Exact row_convert(const Exact* x, Rounding) { return x[0]; }

constexpr OperationRow kOperations[] = {
#define LOWBIT_OPERATION(name, operands, function, meaning) {#name, operands, function, meaning},
#include "arith/operations.inc"
#undef LOWBIT_OPERATION
};

}  // namespace

Exact negate(const Exact& a) {
  Exact out = a;
  out.negative = !a.is_nan() && !a.negative;
  return out;
}

Exact add(const Exact& a, const Exact& b, Rounding rounding) {
  const Exact out = formats::add(a, b);
  if (!out.is_zero() || (a.is_zero() && a.negative == b.negative)) return out;
  return nothing_left(rounding);
}

Exact subtract(const Exact& a, const Exact& b, Rounding rounding) { return add(a, negate(b), rounding); }

Exact multiply(const Exact& a, const Exact& b) {
  LOWBIT_CHECK(!a.sticky && !b.sticky);
  const bool negative = a.negative != b.negative;
  if (a.is_nan() || b.is_nan()) return Exact::nan();
  if (a.is_infinite() || b.is_infinite()) {
    return a.is_zero() || b.is_zero() ? Exact::nan() : Exact::infinity(negative);
  }
  if (a.is_zero() || b.is_zero()) return Exact::zero(negative);
  const Wide product = Wide{a.significand} * b.significand;
  const bool carry = (product >> 127) != 0;
  const Wide full = carry ? product : product << 1;
  return Exact::finite(negative, static_cast<uint64_t>(full >> 64),
                       int64_t{a.exponent} + b.exponent + (carry ? 1 : 0) - 63, static_cast<uint64_t>(full) != 0);
}

Exact divide(const Exact& a, const Exact& b) {
  LOWBIT_CHECK(!a.sticky && !b.sticky);
  const bool negative = a.negative != b.negative;
  if (a.is_nan() || b.is_nan()) return Exact::nan();
  if (a.is_infinite()) return b.is_infinite() ? Exact::nan() : Exact::infinity(negative);
  if (b.is_infinite()) return Exact::zero(negative);
  if (b.is_zero()) return a.is_zero() ? Exact::nan() : Exact::infinity(negative);
  if (a.is_zero()) return Exact::zero(negative);
  const bool less = a.significand < b.significand;
  const Wide dividend = Wide{a.significand} << (less ? 64 : 63);
  const Wide quotient = dividend / b.significand;
  return Exact::finite(negative, static_cast<uint64_t>(quotient), int64_t{a.exponent} - b.exponent - (less ? 64 : 63),
                       quotient * b.significand != dividend);
}

Exact square_root(const Exact& a) {
  LOWBIT_CHECK(!a.sticky);
  if (a.is_nan() || a.is_zero()) return a;
  if (a.negative) return Exact::nan();
  if (a.is_infinite()) return a;
  // An even exponent before the root; 128 bits of the number give 64 of it.
  const bool odd = (a.exponent & 1) != 0;
  const Wide number = Wide{a.significand} << (odd ? 64 : 63);
  uint64_t root = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const uint64_t next = root | (uint64_t{1} << bit);
    if (Wide{next} * next <= number) root = next;
  }
  return Exact::finite(false, root, int64_t{a.exponent >> 1} - 63, Wide{root} * root != number);
}

Exact fma(const Exact& a, const Exact& b, const Exact& c, Rounding rounding) {
  LOWBIT_CHECK(!a.sticky && !b.sticky);
  const Exact product = multiply(a, b);
  if (!product.sticky) return add(product, c, rounding);
  // The product in two parts, each exact.
  const Wide full = Wide{a.significand} * b.significand;
  const int64_t scale = int64_t{a.exponent} + b.exponent - 126;
  const Exact terms[] = {Exact::finite(product.negative, static_cast<uint64_t>(full >> 64), scale + 64),
                         Exact::finite(product.negative, static_cast<uint64_t>(full), scale), c};
  return sum(terms, rounding);
}

Exact faa(const Exact& a, const Exact& b, const Exact& c, Rounding rounding) {
  const Exact terms[] = {a, b, c};
  return sum(terms, rounding);
}

std::span<const OperationRow> operations() { return kOperations; }

bool has_negative_zero(const ElementFormat& f) {
  return f.kind == formats::ElementKind::floating && f.is_signed && f.has_zero &&
         f.nan != formats::NanKind::negative_zero;
}

uint32_t apply(Operation op, std::span<const Operand> operands, const ElementFormat& result, const CastPolicy& policy,
               uint32_t random) {
  const OperationRow& row = row_of(op);
  LOWBIT_CHECK(static_cast<size_t>(row.operands) == operands.size() && operands.size() <= 3);
  std::array<Exact, 3> x;
  for (size_t i = 0; i < operands.size(); ++i) x[i] = formats::decode_exact(operands[i].format, operands[i].code);
  Exact out = row.compute(x.data(), policy.rounding);
  if (op == Operation::divide && x[1].is_zero() && !has_negative_zero(operands[1].format)) out = Exact::nan();
  return formats::encode(result, out, policy, random);
}

uint32_t apply(Operation op, const ElementFormat& format, uint32_t a, const CastPolicy& policy, uint32_t random) {
  const Operand operands[] = {{format, a}};
  return apply(op, operands, format, policy, random);
}

uint32_t apply(Operation op, const ElementFormat& format, uint32_t a, uint32_t b, const CastPolicy& policy,
               uint32_t random) {
  const Operand operands[] = {{format, a}, {format, b}};
  return apply(op, operands, format, policy, random);
}

uint32_t apply(Operation op, const ElementFormat& format, uint32_t a, uint32_t b, uint32_t c,
               const CastPolicy& policy, uint32_t random) {
  const Operand operands[] = {{format, a}, {format, b}, {format, c}};
  return apply(op, operands, format, policy, random);
}

uint32_t convert(const ElementFormat& from, uint32_t code, const ElementFormat& to, const CastPolicy& policy,
                 uint32_t random) {
  const Operand operands[] = {{from, code}};
  return apply(Operation::convert, operands, to, policy, random);
}

}  // namespace lowbit::arith
