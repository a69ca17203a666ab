// What is the same for all row blocks of a part of a weight and all its calls: made once.
#pragma once

#include <optional>
#include <vector>

#include "kernels/matmul/args.h"
#include "kernels/matmul/floating.h"
#include "kernels/matmul/matmul.h"

namespace lowbit::kernels {

// Stretches whose columns are unpacked together, beginning at a step of 32 columns.
struct DotChunk {
  int64_t first_stretch = 0, stretches = 0;
  int64_t first_step = 0, steps = 0;
};

// EntryArgs but for the row block.
struct EntryPass {
  const uint8_t* section = nullptr;
  int64_t block_bytes = 0;  // of a row block; 0: one entry for all
  EntryKind kind = EntryKind::constant;
  int bits = 0;
  const float* table = nullptr;
  std::vector<uint8_t> halves;  // empty: null
  std::optional<simd::SmallFloat> small;
  int64_t span = 1;
  float factor = 1, unit = 1;

  bool as_it_is() const { return factor == 1.0f && unit == 1.0f; }  // nothing is multiplied
};

// What `fused` reads where it lies in the weight: scales that are f16 or floats of 8 bits, f16 scales and minima, or
// both as whole numbers times f16.
enum class InPlace : uint8_t { nothing, halves, bytes, half_minima, coded };

// How bits are counted (PlanesArgs), where they can be.
struct PlanePlan {
  int pairs = 0;  // 0: they cannot
  PlaneForm form = PlaneForm::one;
  int planes = 0;  // of activations
  int8_t factors[kMostPlanePairs] = {};
  int32_t base = 0;     // the integer of code 0
  bool binary = false;  // activations are -1 and 1, and
  int32_t ones = 0;     // what each 1 adds: the sum of the weight's factors
  int64_t tile = 1;     // plane_tile_tokens()
};

// How a code becomes the byte that products take.
struct CodeBytes {
  CodeMap map = CodeMap::exclusive_or;
  uint8_t flip = 0;
  std::vector<uint8_t> table;  // 256 entries
};

struct PartPlan {
  Arithmetic arithmetic = Arithmetic::floating;
  const tensor::PackedMatrix* matrix = nullptr;
  int width = 0;     // of codes (tensor/planes.h)
  CodeBytes bytes;   // integer: integer - least
  FloatPlan floats;  // floating
  bool signed_codes = false;
  int32_t base = 0;               // integer: what a code's byte lacks to its integer
  float unit = 1;                 // integer: the power of two of the element's integers
  int64_t group = 0, groups = 0;  // of the innermost scales
  std::vector<DotStretch> stretches;
  std::vector<int64_t> bounds;  // the same in columns, for stretches that do not start at a unit
  bool aligned = true;          // all stretches start at units
  bool long_spans = false;      // some span has several stretches
  bool paired = false;          // zero points as pairs (args.h)
  int64_t word_units = 0;       // as in DotArgs
  int64_t fused_units = 0;      // units of a stretch where the kernel `fused` can do it, else 0
  bool few_by_shifts = false;   // whether it can take codes of more tokens by shifts
  std::vector<DotChunk> chunks;
  // Panes (args.h) that a chunk of many tokens' products has at most; 0: there are none.
  int64_t chunk_panes = 0;
  int pane_shift = kPaneShift;
  bool signed_panes = false;
  CodeBytes pane_bytes;  // the integer, of either sign
  PlanePlan planes;
  KernelChoice choice;
  int64_t row_tile = 1, few_tile = 1;  // MatmulTraits
  int64_t token_tile = 1;              // likewise: its span_tile where spans are long
  // Scales, minima and zero points in passes of the kernel `entries`, from the inside out. Without passes of scales
  // tensor::group_values() reads all three.
  std::vector<EntryPass> scales, minimums, zeros;
  InPlace in_place = InPlace::nothing;
  std::optional<simd::SmallFloat> scale_bytes;  // InPlace::bytes: scales with all that they are multiplied by

  bool has_short_panes() const { return chunk_panes > 0 && pane_shift == kShortPaneShift; }
};

// [2][256]: the lower and the upper bytes of the upper halves of values, where the lower halves are 0; else nothing.
// Without a table the value of a code is the code.
std::vector<uint8_t> upper_halves(uint32_t count, const float* table);

MatmulTraits traits_of(Isa isa);

// matrix stays where it is as long as the plan is used.
PartPlan plan_part(Isa isa, const tensor::PackedMatrix& matrix, const formats::Format& activation,
                   const KernelChoice& choice);

}  // namespace lowbit::kernels
