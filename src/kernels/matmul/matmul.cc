#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <variant>

#include "base/bits.h"
#include "kernels/matmul/floating.h"
#include "kernels/matmul/groups.h"
#include "kernels/matmul/integer.h"
#include "kernels/matmul/kernel_choice.h"
#include "kernels/matmul/pack.h"
#include "kernels/matmul/plan.h"
#include "kernels/matmul/plane_plan.h"
#include "tensor/codes_block.h"

namespace lowbit::kernels {

using tensor::kRowBlock;
using tensor::PackedMatrix;

namespace {

// Natural number of a packed row.
int64_t natural_row(const tensor::Weight& weight, int64_t packed) {
  return weight.row_order.empty() ? packed : weight.row_order[static_cast<size_t>(packed)];
}

// Rows [begin, end) of a weight, wanted for some activations.
struct RowRange {
  Isa isa;
  const tensor::Weight& weight;
  int64_t begin, end;
  const Activations& x;
  float* out;
  int64_t out_stride;

  bool holds(int64_t row) const { return row >= begin && row < end; }

  // Some row blocks of a part whose first row is packed row `packed`. body(target, stride) writes their products.
  template <class Body>
  void run(const PackedMatrix& part, int64_t block, int64_t blocks, int64_t packed, const Body& body) const {
    const int64_t width = blocks * kRowBlock, rows = std::min(width, part.rows() - block * kRowBlock);
    bool wanted = false;
    for (int64_t r = 0; r < rows && !wanted; ++r) wanted = holds(natural_row(weight, packed + r));
    if (!wanted) return;
    if (rows == width && weight.row_order.empty() && packed >= begin && packed + width <= end) {
      return body(out + packed - begin, out_stride);
    }
    static thread_local std::vector<float> apart;
    float* target = sized(apart, x.tokens * width);
    body(target, width);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t natural = natural_row(weight, packed + r);
      if (!holds(natural)) continue;
      for (int64_t t = 0; t < x.tokens; ++t) out[t * out_stride + natural - begin] = target[t * width + r];
    }
  }
};

// Row blocks [from, to) of one part whose first row is packed row `first_row`.
struct Work {
  RowRange rows;
  const PackedMatrix* part;
  std::variant<IntegerPart, FloatPart> products;
  int64_t from, to, first_row;
  int64_t at_once = 1, items = 0;

  void divide(int64_t count, int threads) {
    at_once = std::visit([&](const auto& p) { return p.blocks_at_once(count, threads); }, products);
    items = ceil_div(to - from, at_once);
  }
  void ask_first(int64_t item) const {
    std::visit([&](const auto& p) { p.ask_first(from + item * at_once); }, products);
  }
  void run(int64_t item) const {
    const int64_t block = from + item * at_once, blocks = std::min(at_once, to - block);
    rows.run(*part, block, blocks, first_row + block * kRowBlock, [&](float* out, int64_t stride) {
      std::visit([&](const auto& p) { p.run(block, blocks, out, stride); }, products);
    });
  }
};

}  // namespace

// Parts that read the same activations, in one loop where these are packed alike: threads wait for each other once.
class Region {
 public:
  explicit Region(ThreadPool& pool) : pool_(pool), work_(kept()) {}

  void add(const RowRange& rows, const PartPlan& plan, int64_t from, int64_t to, int64_t first_row) {
    // What is packed anew lies where the packed activations of the parts before do.
    const bool integer = plan.arithmetic == Arithmetic::integer;
    const bool packs = integer ? !is_packed(rows.isa, plan, rows.x) : packs_floats(plan, rows.x);
    if (packs) run();
    if (integer) {
      const PackedActivations packed = pack(rows.isa, plan, rows.x, pool_);
      work_.push_back({rows, plan.matrix, IntegerPart(rows.isa, plan, packed), from, to, first_row});
    } else {
      work_.push_back({rows, plan.matrix, FloatPart(rows.isa, plan, rows.x, pool_), from, to, first_row});
    }
  }

  void run() {
    int64_t blocks = 0;
    for (const Work& w : work_) blocks += w.to - w.from;
    for (Work& w : work_) w.divide(blocks, pool_.size());
    items_ = items_before(pool_.size());
    run_ = new_stamp();
    pool_.parallel_for(items_, 1, [this](int64_t first, int64_t last, int) {
      for (int64_t i = first; i < last; ++i) run_item(i);
    });
    work_.clear();
  }

 private:
  static std::vector<Work>& kept() {
    static thread_local std::vector<Work> work;
    work.clear();
    return work;
  }
  // Items lie by threads: to each belongs its share of every work, whatever else is in the region, so that a thread
  // meets the same row blocks of a weight each time (tensor/nodes.h).
  int64_t share_of(const Work& w, int64_t thread) const { return w.items * thread / pool_.size(); }
  int64_t count_of(const Work& w, int64_t thread) const { return share_of(w, thread + 1) - share_of(w, thread); }
  int64_t items_before(int64_t thread) const {
    int64_t sum = 0;
    for (const Work& w : work_) sum += share_of(w, thread);
    return sum;
  }
  // Where an item lies: of one work that share of a thread which is the items [first, first + count) of the region.
  struct Place {
    uint64_t run = 0;
    int64_t thread = 0;
    size_t work = 0;
    int64_t begin = 0, first = 0, count = 0;  // begin: of the thread

    bool holds(int64_t item) const { return item >= first && item < first + count; }
  };
  void next(Place& at) const {
    at.first += at.count;
    if (++at.work == work_.size()) {
      at.work = 0;
      at.begin = at.first;
      ++at.thread;
    }
    at.count = count_of(work_[at.work], at.thread);
  }
  // The items of a thread come one after the other, so the place of the last one is remembered.
  const Place& find(int64_t item) const {
    static thread_local Place at;
    if (at.run != run_ || item < at.first) {
      int64_t thread = item * pool_.size() / items_;  // about
      while (items_before(thread) > item) --thread;
      const int64_t begin = items_before(thread);
      at = {run_, thread, 0, begin, begin, count_of(work_[0], thread)};
    }
    while (!at.holds(item)) next(at);
    return at;
  }
  void run_item(int64_t item) const {
    const Place& at = find(item);
    const Work& w = work_[at.work];
    const int64_t begin = share_of(w, at.thread);
    if (item == at.begin) w.ask_first(begin);
    if (item + 1 == at.first + at.count) ask_next(at);
    w.run(begin + item - at.first);
  }
  // Of the work behind this one that the thread has a share of.
  void ask_next(const Place& at) const {
    for (size_t i = at.work + 1; i < work_.size(); ++i) {
      if (count_of(work_[i], at.thread) > 0) return work_[i].ask_first(share_of(work_[i], at.thread));
    }
  }

  ThreadPool& pool_;
  std::vector<Work>& work_;
  int64_t items_ = 0;  // of this run
  uint64_t run_ = 0;
};

Activations Activations::some(int64_t first, int64_t count) const {
  Activations out = *this;
  out.tokens = count;
  out.before = before + first;
  out.after = after + tokens - first - count;
  if (values != nullptr) out.values += first * cols;
  if (codes != nullptr) out.codes += first * code_stride;
  if (scales != nullptr) out.scales += first * groups();
  return out;
}

bool is_binary_activation(const formats::Format& activation) {
  return is_integer_activation(activation) && activation.element.bits == 1;
}

bool is_integer_activation(const formats::Format& activation) {
  const formats::ElementFormat& e = activation.element;
  const bool integers = e.is_integer() && e.is_signed && e.bits >= 2 && e.bits <= 14;
  const bool binary = e.bits == 1 && e.decode(0) == -1.0f && e.decode(1) == 1.0f;
  return (integers || binary) && activation.levels.size() == 1 && !activation.levels[0].minimum &&
         !activation.levels[0].zero_point && activation.levels[0].group != formats::kGroupTensor;
}

int32_t largest_code(const formats::Format& activation) {
  return activation.element.bits == 1 ? 1 : (1 << (activation.element.bits - 1)) - 1;
}

int code_planes(const formats::Format& activation) { return activation.element.bits > 8 ? 2 : 1; }

int64_t longest_stretch(const formats::Format& activation) {
  return code_planes(activation) == 1 ? int64_t{1} << 16 : int64_t{1} << 10;
}

Arithmetic arithmetic_of(const formats::Format& weight, const formats::Format& activation) {
  return is_integer_activation(activation) && weight.element.bits <= 8 &&
                 formats::integer_form(weight.element) != nullptr
             ? Arithmetic::integer
             : Arithmetic::floating;
}

Product::Product(Isa isa, const tensor::Weight& weight, const formats::Format& activation)
    : isa_(isa), weight_(&weight) {
  for (const PackedMatrix& part : weight.parts) {
    parts_.push_back(plan_part(isa, part, activation, {}));
    PartPlan& plan = parts_.back();
    const auto choose = [&](KernelQuestion question, bool matters) {
      if (matters) choose_kernel(isa, question, plan.choice);
    };
    choose(KernelQuestion::planes_few, plan.planes.pairs > 0);
    choose(KernelQuestion::planes_many, plan.planes.pairs > 0);
    choose(KernelQuestion::bf16, plan.floats.common != nullptr);
    choose(KernelQuestion::shifts, plan.few_by_shifts);
    choose(KernelQuestion::short_tiles, plan.has_short_panes());
  }
}

Product::Product(Isa isa, const tensor::Weight& weight, const formats::Format& activation, const KernelChoice& choice)
    : isa_(isa), weight_(&weight) {
  for (const PackedMatrix& part : weight.parts) parts_.push_back(plan_part(isa, part, activation, choice));
}

bool Product::counts_bits(int64_t tokens) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const PartPlan& plan) { return kernels::counts_bits(plan, tokens); });
}

bool Product::pairs_columns(int64_t tokens) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const PartPlan& plan) { return kernels::pairs_columns(plan, tokens); });
}

bool Product::takes_tiles(int64_t tokens) const {
  return std::any_of(parts_.begin(), parts_.end(), [&](const PartPlan& plan) { return goes_by_panes(plan, tokens); });
}

Product::~Product() = default;
Product::Product(Product&&) noexcept = default;
Product& Product::operator=(Product&&) noexcept = default;
int64_t Product::rows() const { return weight_->rows(); }

void Product::add(int64_t begin, int64_t end, const Activations& x, float* out, int64_t out_stride,
                  Region& region) const {
  LOWBIT_CHECK(x.cols == weight_->cols() && begin >= 0 && end <= weight_->rows());
  const RowRange range{isa_, *weight_, begin, end, x, out, out_stride};
  const bool ordered = weight_->row_order.empty();
  int64_t first_row = 0;
  for (const PartPlan& plan : parts_) {
    LOWBIT_CHECK(plan.arithmetic == Arithmetic::integer || x.values != nullptr);
    const int64_t rows = plan.matrix->rows();
    const int64_t from = ordered ? std::clamp<int64_t>(begin - first_row, 0, rows) : 0;
    const int64_t to = ordered ? std::clamp<int64_t>(end - first_row, 0, rows) : rows;
    if (from < to) region.add(range, plan, from / kRowBlock, ceil_div(to, kRowBlock), first_row);
    first_row += rows;
  }
}

void Product::run(int64_t begin, int64_t end, const Activations& x, ThreadPool& pool, float* out,
                  int64_t out_stride) const {
  Region region(pool);
  add(begin, end, x, out, out_stride, region);
  region.run();
}

void run_products(std::span<const ProductRun> runs, ThreadPool& pool) {
  Region region(pool);
  for (const ProductRun& r : runs) r.product->add(r.begin, r.end, *r.x, r.out, r.out_stride, region);
  region.run();
}

void matmul(Isa isa, const tensor::Weight& weight, const Activations& x, ThreadPool& pool, float* out,
            int64_t out_stride) {
  Product(isa, weight, *x.format).run(0, weight.rows(), x, pool, out, out_stride);
}

}  // namespace lowbit::kernels
