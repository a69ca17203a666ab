// The matrix product of activations with a packed weight: the numeric contract of the house, in one place.
//
// out[t][r] for token t and row r of the weight, by one of two arithmetics:
// integer   both sides are small integers (formats::integer_form; activations intN/G with a symmetric scale).
//           A group is a stretch of columns in which neither scale changes, cut every 2^16 columns (2^10 where
//           activations have more than 8 bits), so that its sum fits 32 bits. Stretches under one scale of the
//           weight make a span, which also ends with a stretch that ends at a multiple of 128 columns. Ascending,
//           from +0 the inner ones at the beginning of each span, acc at that of the row:
//             sum = exact integer sum of (code - zero point) * activation code
//             inner = fma(float(sum), activation scale, inner)
//             total = fma(float(sum of activation codes), activation scale, total)   with a minimum
//           and where a span ends
//             acc = fma(weight scale, inner, acc)
//             acc = fma(minimum, total, acc)   with a minimum
//           The weight scale includes the power of two of the element's integer form.
// floating  anything else: both sides decoded to fp32 (formats/format.h), acc = fma(weight, activation, acc),
//           columns ascending from acc = +0.
// Bit-equal on every ISA, for any number of threads and any grouping of tokens (numeric class: consistent).
#pragma once

#include <span>
#include <vector>

#include "base/cpu.h"
#include "base/threads.h"
#include "formats/format.h"
#include "kernels/matmul/args.h"
#include "tensor/weight.h"

namespace lowbit::kernels {

enum class Arithmetic { integer, floating };

// What the contract prescribes for this pair of formats.
Arithmetic arithmetic_of(const formats::Format& weight, const formats::Format& activation);

// True where an activation format gives integer codes: int2 to int14, or binary, with one level of scales.
bool is_integer_activation(const formats::Format& activation);
// Whose codes are -1 and 1, never 0: 1 where the value is above 0.
bool is_binary_activation(const formats::Format& activation);
// The largest code of an integer activation; the least is its negative.
int32_t largest_code(const formats::Format& activation);
// Planes of bytes that a code takes: 1, or 2 beyond 8 bits.
int code_planes(const formats::Format& activation);
// Columns of a stretch at most (see above).
int64_t longest_stretch(const formats::Format& activation);

// Activations of some tokens after their cast to a format. values are always there (decoded: code * scale); codes
// and scales only for integer formats.
struct Activations {
  const formats::Format* format = nullptr;  // lives longer
  int64_t tokens = 0, cols = 0;
  const float* values = nullptr;  // [tokens][cols]; may be null where every consumer is integer
  const int8_t* codes = nullptr;  // [tokens][planes][a multiple of 32], zero beyond cols
  int64_t code_stride = 0;        // of a token: all its planes
  int64_t plane = 0;              // 0: one plane; else code = 128 * codes[plane + i] + codes[i]
  const float* scales = nullptr;  // [tokens][groups]
  int64_t group = 0;              // columns of a group
  // Of activations that several products read: what was made of them for one serves the next. 0: nobody says so;
  // else from new_stamp(), whenever codes or scales are written.
  uint64_t stamp = 0;
  // Of tokens taken from others by some(): how many of those come before and after. What kernels want of rows alone
  // is made for all of them at once.
  int64_t before = 0, after = 0;

  // Tokens [first, first + count) of these.
  Activations some(int64_t first, int64_t count) const;
  // Those that some() was called of.
  Activations all() const { return some(-before, before + tokens + after); }

  int64_t groups() const { return group == 0 ? 0 : (cols + group - 1) / group; }
  int32_t code(int64_t token, int64_t col) const {
    const int8_t* at = codes + token * code_stride + col;
    return plane == 0 ? *at : 128 * at[plane] + *at;
  }
};

// Never the same twice in a process.
uint64_t new_stamp();

struct PartPlan;  // plan.h
class Region;     // matmul.cc

// Where two kernels give the same bits, which is taken: the answers to kernel_questions.inc.
enum class KernelQuestion : uint8_t {
#define LOWBIT_KERNEL_QUESTION(name, most) name,
#include "kernels/matmul/kernel_questions.inc"
#undef LOWBIT_KERNEL_QUESTION
};
struct KernelChoice {
#define LOWBIT_KERNEL_QUESTION(name, most) int name = 0;
#include "kernels/matmul/kernel_questions.inc"
#undef LOWBIT_KERNEL_QUESTION
};
// What no known processor is slower with.
KernelChoice usual_kernel_choice(Isa isa);
// Where a program knows better by a measurement (cost/kernel_choice.h): is asked each question once for each ISA,
// when the first product that it matters to is made; usual: the answer where it knows none. Null: that.
using KernelChoiceSource = int (*)(Isa, KernelQuestion, int usual);
void set_kernel_choice_source(KernelChoiceSource source);

// A weight prepared for activations of one format: made once, used by any number of calls, which do not allocate once
// their scratch has grown. The weight stays where it is.
class Product {
 public:
  Product(Isa isa, const tensor::Weight& weight, const formats::Format& activation);
  Product(Isa isa, const tensor::Weight& weight, const formats::Format& activation, const KernelChoice& choice);
  // Whether some part counts bits, pairs columns of bf16, or takes tiles of AMX, for so many tokens.
  bool counts_bits(int64_t tokens) const;
  bool pairs_columns(int64_t tokens) const;
  bool takes_tiles(int64_t tokens) const;
  ~Product();
  Product(Product&&) noexcept;
  Product& operator=(Product&&) noexcept;

  // Rows [begin, end) of the weight in natural order: out[token][out_stride] holds row `begin` first.
  void run(int64_t begin, int64_t end, const Activations& x, ThreadPool& pool, float* out, int64_t out_stride) const;
  int64_t rows() const;
  // The same as a part of what a region runs.
  void add(int64_t begin, int64_t end, const Activations& x, float* out, int64_t out_stride, Region& region) const;

 private:
  Isa isa_;
  const tensor::Weight* weight_;
  std::vector<PartPlan> parts_;
};

// Products in one parallel loop, where their formats allow it: of several weights with the same activations, or of
// few tokens each out of the same ones (Activations::some), as experts have them.
struct ProductRun {
  const Product* product;
  int64_t begin, end;  // rows, as Product::run has them
  const Activations* x;
  float* out;  // [token][out_stride]
  int64_t out_stride;
};
void run_products(std::span<const ProductRun> runs, ThreadPool& pool);

// out[token][out_stride]; all rows of the weight in natural order.
void matmul(Isa isa, const tensor::Weight& weight, const Activations& x, ThreadPool& pool, float* out,
            int64_t out_stride);

// The definition above in plain scalar code, one output at a time.
void matmul_oracle(const tensor::Weight& weight, const Activations& x, float* out, int64_t out_stride);

}  // namespace lowbit::kernels
