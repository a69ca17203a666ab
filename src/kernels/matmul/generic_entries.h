// Entries of scales, minima and zero points as floats.
#pragma once

#include "kernels/matmul/args.h"

namespace lowbit::kernels {

// Sixteen codes of 1 to 7 bits; nothing beyond them is read. Eight fill `bits` bytes.
template <class S>
static inline typename S::Int narrow_entries(const uint8_t* p, int bits) {
  uint64_t low = 0, high = 0;
  if (bits >= 4) {
    __builtin_memcpy(&low, p, 8);
    __builtin_memcpy(&high, p + 2 * bits - 8, 8);
    high >>= 64 - 8 * bits;
  } else {
    for (int i = 0; i < bits; ++i) {
      low |= static_cast<uint64_t>(p[i]) << (8 * i);
      high |= static_cast<uint64_t>(p[bits + i]) << (8 * i);
    }
  }
  return S::int_unpack(low, high, bits);
}

// What ends every pass; most often nothing.
template <class S>
struct Finish {
  typename S::Float factor, unit;
  bool wanted;

  explicit Finish(const EntryArgs& g)
      : factor(S::broadcast(g.factor)), unit(S::broadcast(g.unit)), wanted(g.factor != 1.0f || g.unit != 1.0f) {}
  LOWBIT_INLINE typename S::Float operator()(typename S::Float v) const {
    return wanted ? S::mul(S::mul(v, factor), unit) : v;
  }
};

// Passes over entries, `load` giving 16 of them from their first byte.
template <class S, bool Multiply, class Load>
static inline void entry_pass(const EntryArgs& g, int64_t bytes, const Load& load) {
  const Finish<S> finish(g);
  float* out = g.out;
  const uint8_t* in = g.in;
  for (int64_t group = 0; group < g.groups; group += g.span, in += bytes) {
    __builtin_prefetch(in + g.ahead);
    const typename S::Float entry = load(in);
    const int64_t end = group + g.span < g.groups ? group + g.span : g.groups;
    for (int64_t i = group; i < end; ++i, out += 16) {
      S::store(out, finish(Multiply ? S::mul(S::load(out), entry) : entry));
    }
  }
}

// What 64 codes are: by the halves of the values, or whole numbers themselves.
template <class S>
struct FourGroups {
  typename S::CodeUnpack codes;
  typename S::ValueTable table;

  explicit FourGroups(const EntryArgs& g) : codes(S::code_unpack(g.bits)), table(S::value_table(g.halves, g.bits)) {}
  // Whether it has them all.
  static bool takes(const EntryArgs& g) {
    if (g.span != 1 || g.groups < 4) return false;
    return S::kByteTables ? g.halves != nullptr : g.kind == EntryKind::code && g.bits > 1;
  }
  LOWBIT_INLINE void values(const uint8_t* p, typename S::Float (&v)[4]) const {
    S::values_of(table, S::unpack_codes(codes, p), v);
  }
};

// Four groups at once; what is left over by `rest`. Outer: spans are multiples of four.
template <class S, bool Multiply, bool Outer, class Rest>
static inline void fours_pass(const EntryArgs& g, const Rest& rest) {
  const Finish<S> finish(g);
  const FourGroups<S> four(g);
  EntryArgs left = g;
  for (int64_t group = 0; left.groups >= 4; left.groups -= 4, left.in += 8 * g.bits, left.out += 64, group += 4) {
    __builtin_prefetch(left.in + g.ahead);
    typename S::Float v[4];
    four.values(left.in, v);
    typename S::Float outer;
    if constexpr (Outer) outer = S::load_f16(reinterpret_cast<const uint16_t*>(g.outer) + group / g.outer_span * 16);
    for (int i = 0; i < 4; ++i) {
      float* out = left.out + 16 * i;
      if constexpr (Multiply) v[i] = S::mul(S::load(out), v[i]);
      if constexpr (Outer) v[i] = S::mul(v[i], outer);
      S::store(out, finish(v[i]));
    }
  }
  rest(left);
}

using SixteenBytes = uint8_t __attribute__((vector_size(16)));

// The largest of some bytes, sixteen at a time.
static inline int largest_byte(const uint8_t* p, int64_t sixteens) {
  SixteenBytes most = {}, next;
  for (int64_t i = 0; i < sixteens; ++i) {
    __builtin_memcpy(&next, p + 16 * i, 16);
    most = most > next ? most : next;
  }
  int out = 0;
  for (int i = 0; i < 16; ++i) out = most[i] > out ? most[i] : out;
  return out;
}

template <class S, bool Multiply>
static inline void small_pass(const EntryArgs& g) {
  const simd::SmallFloat small = *g.small;
  if (g.bits == 8) {
    // Scales are positive numbers but for damaged ones.
    const int most = g.span == 1 ? largest_byte(g.in, g.groups) : 255;
    if (most < small.nans && most <= small.mask) {
      return entry_pass<S, Multiply>(
          g, 16, [&](const uint8_t* p) { return S::template small_float<false>(S::int_load_bytes(p), small); });
    }
    return entry_pass<S, Multiply>(
        g, 16, [&](const uint8_t* p) { return S::template small_float<true>(S::int_load_bytes(p), small); });
  }
  entry_pass<S, Multiply>(g, 2 * g.bits, [&](const uint8_t* p) {
    return S::template small_float<true>(narrow_entries<S>(p, g.bits), small);
  });
}

template <class S, bool Multiply>
static inline void entries_of(const EntryArgs& g) {
  if constexpr (S::kUnpacksCodes) {
    if (FourGroups<S>::takes(g)) {
      return fours_pass<S, Multiply, false>(g, [](const EntryArgs& left) { entries_of<S, Multiply>(left); });
    }
  }
  switch (g.kind) {
    case EntryKind::constant:
      return entry_pass<S, Multiply>(g, 0, [](const uint8_t*) { return S::broadcast(1.0f); });
    case EntryKind::f32:
      return entry_pass<S, Multiply>(g, 64,
                                     [](const uint8_t* p) { return S::load(reinterpret_cast<const float*>(p)); });
    case EntryKind::f16:
      return entry_pass<S, Multiply>(
          g, 32, [](const uint8_t* p) { return S::load_f16(reinterpret_cast<const uint16_t*>(p)); });
    case EntryKind::bf16:
      return entry_pass<S, Multiply>(
          g, 32, [](const uint8_t* p) { return S::load_bf16(reinterpret_cast<const uint16_t*>(p)); });
    case EntryKind::table16:
      return entry_pass<S, Multiply>(g, 32, [&](const uint8_t* p) {
        return S::gather(g.table, S::int_load_words(reinterpret_cast<const uint16_t*>(p)));
      });
    case EntryKind::code:
      if (g.bits == 8) {
        return entry_pass<S, Multiply>(g, 16, [](const uint8_t* p) { return S::to_float(S::int_load_bytes(p)); });
      }
      return entry_pass<S, Multiply>(g, 2 * g.bits,
                                     [&](const uint8_t* p) { return S::to_float(narrow_entries<S>(p, g.bits)); });
    case EntryKind::signed_code:
      return entry_pass<S, Multiply>(g, 16,
                                     [](const uint8_t* p) { return S::to_float(S::int_load_signed_bytes(p)); });
    case EntryKind::table8:
      if constexpr (!S::kByteTables) {
        if (g.small != nullptr) return small_pass<S, Multiply>(g);
      }
      if (g.bits == 8) {
        return entry_pass<S, Multiply>(g, 16,
                                       [&](const uint8_t* p) { return S::gather(g.table, S::int_load_bytes(p)); });
      }
      return entry_pass<S, Multiply>(
          g, 2 * g.bits, [&](const uint8_t* p) { return S::gather(g.table, narrow_entries<S>(p, g.bits)); });
  }
}

// The level outside, too.
template <class S>
static inline void two_levels(const EntryArgs& g) {
  if constexpr (S::kUnpacksCodes) {
    if (FourGroups<S>::takes(g) && g.groups % 4 == 0 && g.outer_span % 4 == 0) {
      return fours_pass<S, false, true>(g, [](const EntryArgs&) {});
    }
  }
  EntryArgs pass = g;
  pass.factor = pass.unit = 1.0f;
  entries_of<S, false>(pass);
  pass = g;
  pass.in = g.outer;
  pass.kind = EntryKind::f16;
  pass.halves = nullptr;
  pass.ahead = g.outer_ahead;
  pass.span = g.outer_span;
  entries_of<S, true>(pass);
}

template <class S>
static inline void entries(const EntryArgs& g) {
  if (g.outer != nullptr) return two_levels<S>(g);
  g.multiply ? entries_of<S, true>(g) : entries_of<S, false>(g);
}

}  // namespace lowbit::kernels
