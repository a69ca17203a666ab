// Integer products of weights of 1 or 2 bits with activations of 1 to 4 by their bits: a product of two planes is the
// number of ones of both, counted 32 columns of 16 rows at a time.
#pragma once

#include "kernels/matmul/generic_dot.h"
#include "kernels/matmul/generic_unpack.h"

namespace lowbit::kernels {

// Steps that count_bits() takes in a run.
constexpr int64_t kCountedSteps = 16;

// The planes of a weight's step: bit j of a byte is unit place_of_unit(j).
template <class S, PlaneForm Form>
LOWBIT_INLINE static inline void load_planes(const uint8_t* step, typename S::Bytes (&planes)[weight_planes(Form)]) {
  const typename S::Bytes first = S::bytes_load(step);
  if constexpr (Form == PlaneForm::one) {
    planes[0] = first;
  } else {
    const typename S::Bytes second = S::bytes_load(step + 64);
    const typename S::Bytes low = S::even_bits(first, second), high = S::odd_bits(first, second);
    planes[0] = Form == PlaneForm::ternary ? S::bytes_or(low, high) : low;
    planes[1] = Form == PlaneForm::ternary ? S::bytes_and_not(high, low) : high;
  }
}

// A register tile: one row block, Tokens tokens. Planes: of activations; a single one is of binary digits -1 and 1,
// whose products are counted where they differ.
template <class S, PlaneForm Form, int Planes, int Tokens>
struct PlaneTile {
  static constexpr int kWeights = weight_planes(Form), kPairs = kWeights * Planes;
  const PlanesArgs& g;
  const uint8_t* step;
  const int8_t* x;
  typename S::Int sum[1][Tokens];

  // Sums of a stretch, by runs of steps.
  LOWBIT_INLINE void add(int64_t steps) {
    while (steps > 0) {
      const int64_t run = steps < kCountedSteps ? steps : kCountedSteps;
      add_run(run);
      steps -= run;
    }
  }

 private:
  LOWBIT_INLINE void add_run(int64_t steps) {
    typename S::Bytes counts[kPairs][Tokens];
    for (int p = 0; p < kPairs; ++p) {
      for (int t = 0; t < Tokens; ++t) counts[p][t] = S::bytes_zero();
    }
    for (; steps > 0; --steps, step += 64 * kWeights, x += 4 * Planes * Tokens) {
      for (int i = 0; i < kWeights; ++i) __builtin_prefetch(step + g.ahead + 64 * i, 0, 2);
      typename S::Bytes w[kWeights];
      load_planes<S, Form>(step, w);
      for (int q = 0; q < Planes; ++q) {
        for (int t = 0; t < Tokens; ++t) {
          const typename S::Bytes a = S::bytes_broadcast4(x + 4 * (q * Tokens + t));
          for (int i = 0; i < kWeights; ++i) {
            typename S::Bytes& count = counts[q * kWeights + i][t];
            count = S::template count_bits < Planes == 1 > (count, w[i], a);
          }
        }
      }
    }
    for (int p = 0; p < kPairs; ++p) {
      for (int t = 0; t < Tokens; ++t) sum[0][t] = S::add_counts(sum[0][t], counts[p][t], g.factors[p]);
    }
  }
};

template <class S, PlaneForm Form, int Planes, int Tokens>
static inline void plane_tile(const PlanesArgs& given, int64_t token) {
  const PlanesArgs g = given;
  const bool more = g.stretch.offsets != nullptr || g.stretch.minimums != nullptr;
  typename S::Float acc[1][Tokens], inner[1][Tokens];
  for (int t = 0; t < Tokens; ++t) acc[0][t] = inner[0][t] = S::zero();
  PlaneTile<S, Form, Planes, Tokens> tile{g, g.packed, g.codes + 4 * Planes * token * g.row_steps, {}};
  int64_t entry = token * g.stretch.stretch_count;
  for (int64_t s = 0; s < g.stretch.stretch_count; ++s, entry += Tokens) {
    const DotStretch& stretch = g.stretch.stretches[s];
    for (int t = 0; t < Tokens; ++t) tile.sum[0][t] = S::int_broadcast(g.stretch.activations.starts[entry + t]);
    tile.add((stretch.end_unit - stretch.begin_unit + 7) / 8);
    const int64_t group = stretch.weight_group;
    more ? end_stretch<S, More::any, false>(g.stretch, group, 0, entry, tile.sum, inner)
         : end_stretch<S, More::none, false>(g.stretch, group, 0, entry, tile.sum, inner);
    if (!stretch.ends_span) continue;
    more ? end_span<S>(g.stretch, FloatEntries<S, More::any>(), group, 0, entry, inner, acc)
         : end_span<S>(g.stretch, FloatEntries<S, More::none>(), group, 0, entry, inner, acc);
    for (int t = 0; t < Tokens; ++t) inner[0][t] = S::zero();
  }
  float* out = g.out + token * g.out_stride;
  for (int t = 0; t < Tokens; ++t) S::store(out + t * g.out_stride, acc[0][t]);
}

// The tile of `size` tokens, at most Most.
template <class S, PlaneForm Form, int Planes, int Most>
static inline void plane_tile_of(const PlanesArgs& g, int64_t token, int64_t size) {
  if constexpr (Most > 0) {
    if (size == Most) return plane_tile<S, Form, Planes, Most>(g, token);
    plane_tile_of<S, Form, Planes, Most - 1>(g, token, size);
  }
}

template <class S, PlaneForm Form, int Planes>
static inline void plane_tokens(const PlanesArgs& g) {
  constexpr int kMost = plane_tile_tokens(S::kPlaneRoom, weight_planes(Form) * Planes);
  for_each_tile(g.tokens, kMost,
                [&](int64_t token, int64_t size) { plane_tile_of<S, Form, Planes, kMost>(g, token, size); });
}

// ---- activations ----

template <class S>
static inline void pack_planes(const PackPlanesArgs& g) {
  uint8_t order[32];
  for (int unit = 0; unit < 8; ++unit) {
    for (int c = 0; c < 4; ++c) order[8 * c + place_of_unit(g.form, unit)] = static_cast<uint8_t>(4 * unit + c);
  }
  int8_t* out = g.out;
  const auto put = [&](uint32_t word) {
    __builtin_memcpy(out, &word, 4);
    out += g.stride;
  };
  for (int64_t s = 0; s < g.steps; ++s) {
    const typename S::Columns x = S::load_columns(g.codes + 32 * s, order);
    if (g.binary) {
      put(S::template bits_of<0>(x) & ~S::template bits_of<1>(x));  // of -1, 0 and 1 only 1 stays
      continue;
    }
    put(S::template bits_of<0>(x));
    put(S::template bits_of<1>(x));
    if (g.planes > 2) put(S::template bits_of<2>(x));
    if (g.planes > 3) put(S::template bits_of<3>(x));
  }
}

template <class S>
static inline void planes(const PlanesArgs& g) {
  using Fn = void (*)(const PlanesArgs&);
  static constexpr Fn kOne[] = {plane_tokens<S, PlaneForm::one, 1>, plane_tokens<S, PlaneForm::one, 2>,
                                plane_tokens<S, PlaneForm::one, 3>, plane_tokens<S, PlaneForm::one, 4>};
  static constexpr Fn kTwo[] = {plane_tokens<S, PlaneForm::two, 1>, plane_tokens<S, PlaneForm::two, 2>};
  static constexpr Fn kTernary[] = {plane_tokens<S, PlaneForm::ternary, 1>, plane_tokens<S, PlaneForm::ternary, 2>};
  static constexpr const Fn* kForms[] = {kOne, kTwo, kTernary};
  kForms[static_cast<int>(g.form)][g.planes - 1](g);
}

}  // namespace lowbit::kernels
