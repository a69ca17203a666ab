// Where the scales and minima of a stretch come from: made fp32 before (generic_entries.h), or, for a row block that
// is read once, as they lie in the weight. at: 16 * the group of the weight's scales, for one row block.
#pragma once

#include "kernels/matmul/args.h"

namespace lowbit::kernels {

// What ends a stretch beside a scale.
enum class More : uint8_t { none, minima, any };

// In fp32, all row blocks of the arguments.
template <class S, More Kind>
struct FloatEntries {
  static constexpr More kMore = Kind;
  LOWBIT_INLINE void move(const StretchArgs&, int64_t) {}
  LOWBIT_INLINE typename S::Float scale(const StretchArgs& g, int64_t at) const { return S::load(g.scales + at); }
  LOWBIT_INLINE typename S::Float minimum(const StretchArgs& g, int64_t at) const { return S::load(g.minimums + at); }
};

// To the next row block.
LOWBIT_INLINE static inline void next_block(StretchArgs& g) {
  const auto move = [](auto*& entries, int64_t by) {
    if (entries != nullptr) entries += by;
  };
  move(g.scales, g.group_step);
  move(g.offsets, g.group_step);
  move(g.minimums, g.group_step);
  EntriesInPlace& in_place = g.in_place;
  for (int i = 0; i < 2; ++i) {
    move(in_place.coded[i], in_place.coded_ahead);
    move(in_place.outer[i], in_place.outer_ahead);
  }
  move(in_place.halves, g.group_step);
  move(in_place.half_minimums, g.group_step);
  move(in_place.bytes, g.group_step);
}

// What the next row block reads at this place is asked for.
template <class Entry>
LOWBIT_INLINE static inline void ask_next(const StretchArgs& g, const Entry* entries, int64_t at) {
  __builtin_prefetch(entries + g.group_step + at);
}

// f16, times a power of two (Unit) or as they are.
template <class S, bool Unit>
struct HalfEntries {
  static constexpr More kMore = More::none;
  LOWBIT_INLINE void move(const StretchArgs& g, int64_t at) { ask_next(g, g.in_place.halves, at); }
  LOWBIT_INLINE typename S::Float scale(const StretchArgs& g, int64_t at) const {
    const typename S::Float v = S::load_f16(g.in_place.halves + at);
    return Unit ? S::mul(v, S::broadcast(g.in_place.unit)) : v;
  }
  LOWBIT_INLINE typename S::Float minimum(const StretchArgs&, int64_t) const { return S::zero(); }
};

// Scales and minima in f16.
template <class S>
struct HalfMinima {
  static constexpr More kMore = More::minima;
  LOWBIT_INLINE void move(const StretchArgs& g, int64_t at) {
    ask_next(g, g.in_place.halves, at);
    ask_next(g, g.in_place.half_minimums, at);
  }
  LOWBIT_INLINE typename S::Float scale(const StretchArgs& g, int64_t at) const {
    return S::load_f16(g.in_place.halves + at);
  }
  LOWBIT_INLINE typename S::Float minimum(const StretchArgs& g, int64_t at) const {
    return S::load_f16(g.in_place.half_minimums + at);
  }
};

// Floats of 8 bits.
template <class S>
struct ByteEntries {
  static constexpr More kMore = More::none;
  LOWBIT_INLINE void move(const StretchArgs& g, int64_t at) {
    if (at % 64 == 0) ask_next(g, g.in_place.bytes, at);
  }
  LOWBIT_INLINE typename S::Float scale(const StretchArgs& g, int64_t at) const {
    return S::template small_float<true>(S::int_load_bytes(g.in_place.bytes + at), g.in_place.small);
  }
  LOWBIT_INLINE typename S::Float minimum(const StretchArgs&, int64_t) const { return S::zero(); }
};

// Scales and minima of up to 8 bits, whole numbers times f16 of several groups: four groups are unpacked at once, of
// which the first 16 bytes are those of the present one.
template <class S>
struct CodedEntries {
  static constexpr More kMore = More::minima;
  typename S::CodeUnpack unpack;
  typename S::Bytes codes[2];
  typename S::Float outer[2];
  int64_t at = -1;

  LOWBIT_INLINE void move(const StretchArgs& g, int64_t to) {
    if (to == at) return;
    if (at < 0) unpack = S::code_unpack(g.in_place.bits);
    at = to;
    if (to % 64 != 0) {
      for (int i = 0; i < 2; ++i) codes[i] = S::next16(codes[i]);
      return;
    }
    const int64_t bytes = to / 8 * g.in_place.bits, span = to / 16 / g.in_place.span * 16;
    for (int i = 0; i < 2; ++i) {
      codes[i] = S::unpack_codes(unpack, g.in_place.coded[i] + bytes);
      outer[i] = S::load_f16(g.in_place.outer[i] + span);
      __builtin_prefetch(g.in_place.coded[i] + bytes + g.in_place.coded_ahead);
      __builtin_prefetch(g.in_place.outer[i] + span + g.in_place.outer_ahead);
    }
  }
  LOWBIT_INLINE typename S::Float value(int i) const {
    return S::mul(S::to_float(S::int_of_bytes(codes[i])), outer[i]);
  }
  LOWBIT_INLINE typename S::Float scale(const StretchArgs&, int64_t) const { return value(0); }
  LOWBIT_INLINE typename S::Float minimum(const StretchArgs&, int64_t) const { return value(1); }
};

// What others gave, for all tokens.
template <class S, More Kind>
struct KeptEntries {
  static constexpr More kMore = Kind;
  typename S::Float kept_scale, kept_minimum;

  template <class Entries>
  LOWBIT_INLINE KeptEntries(const Entries& from, const StretchArgs& g, int64_t at)
      : kept_scale(from.scale(g, at)), kept_minimum(Kind == More::none ? S::zero() : from.minimum(g, at)) {}
  LOWBIT_INLINE typename S::Float scale(const StretchArgs&, int64_t) const { return kept_scale; }
  LOWBIT_INLINE typename S::Float minimum(const StretchArgs&, int64_t) const { return kept_minimum; }
};

// In fp32 or scales in f16, looked at each time: where the code of one kernel for each would be too much.
template <class S>
struct AnyEntries {
  static constexpr More kMore = More::any;
  LOWBIT_INLINE void move(const StretchArgs& g, int64_t at) {
    if (g.in_place.halves != nullptr) ask_next(g, g.in_place.halves, at);
  }
  LOWBIT_INLINE typename S::Float scale(const StretchArgs& g, int64_t at) const {
    return g.in_place.halves != nullptr ? S::load_f16(g.in_place.halves + at) : S::load(g.scales + at);
  }
  LOWBIT_INLINE typename S::Float minimum(const StretchArgs& g, int64_t at) const { return S::load(g.minimums + at); }
};

}  // namespace lowbit::kernels
