#include "cost/kernel_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/bits.h"
#include "base/memory.h"
#include "cost/random_activations.h"
#include "cost/reading.h"
#include "cost/shapes.h"
#include "kernels/matmul/matmul.h"

namespace lowbit::cost {
namespace {

using formats::Format;

constexpr int64_t kBesideTokens = 16;  // products of more are not bound by reading
constexpr int64_t kCheckedRows = 48, kCheckedTokens = 33;
constexpr uint64_t kSeed = 1;

tensor::Weight weight_of(tensor::PackedMatrix matrix) {
  tensor::Weight weight;
  weight.shape = {matrix.rows(), matrix.cols()};
  weight.parts.push_back(std::move(matrix));
  return weight;
}

bool has_integers(const Format& weight) {
  return weight.element.bits <= 8 && formats::integer_form(weight.element) != nullptr;
}

const formats::ElementFormat& bf16() {
  static const formats::ElementFormat element = formats::parse_element("bf16").value();
  return element;
}

Format activation_for(const Format& weight, const std::optional<Format>& asked) {
  if (asked) return *asked;
  if (!has_integers(weight)) return formats::parse_format(weight.element == bf16() ? "bf16" : "f32").value();
  const int64_t group = weight.is_plain() ? 32 : weight.levels[0].group;
  return formats::parse_format(fmt::format("int8/{}:f32", group == 64 || group == 128 ? group : 32)).value();
}

// By its name in the table.
const char* kernel_of(const kernels::Product& product, kernels::Arithmetic arithmetic, int64_t tokens) {
  if (product.counts_bits(tokens)) return "bits";
  if (product.takes_tiles(tokens)) return "tiles";
  if (arithmetic == kernels::Arithmetic::integer) return "bytes";
  return product.pairs_columns(tokens) ? "bf16" : "fp32";
}

class Bench {
 public:
  Bench(const KernelRatesOptions& options, const MachineLimits& limits, ThreadPool& pool,
        const std::function<void(const KernelRate&)>& row)
      : options_(options), limits_(limits), pool_(pool), row_(row) {}

  Status run(const Format& format, const Matrix& matrix) {
    const Format activation = activation_for(format, options_.activation);
    LOWBIT_TRY(check(format, activation, matrix.cols));
    LOWBIT_TRY(make_weights(format, matrix));
    for (const int64_t tokens : options_.tokens) time(format, activation, matrix, tokens);
    return {};
  }

 private:
  const KernelRatesOptions& options_;
  const MachineLimits& limits_;
  ThreadPool& pool_;
  const std::function<void(const KernelRate&)>& row_;
  std::vector<tensor::Weight> weights_;

  Status check(const Format& format, const Format& activation, int64_t cols) {
    LOWBIT_ASSIGN(tensor::PackedMatrix matrix, random_matrix(format, kCheckedRows, cols, kSeed));
    const tensor::Weight weight = weight_of(std::move(matrix));
    for (const int64_t asked : options_.tokens) {
      const int64_t tokens = std::min(asked, kCheckedTokens);
      const RandomActivations x(activation, tokens, cols, kSeed);
      std::vector<float> expected(static_cast<size_t>(tokens * kCheckedRows)), found(expected.size());
      kernels::matmul_oracle(weight, x.view, expected.data(), kCheckedRows);
      kernels::matmul(limits_.isa, weight, x.view, pool_, found.data(), kCheckedRows);
      for (size_t i = 0; i < expected.size(); ++i) {
        if (float_bits(expected[i]) == float_bits(found[i])) continue;
        return errorf("the product of {} with {} ({} columns, {} tokens) is {} at row {}, expected {}",
                      formats::print(format), formats::print(activation), cols, tokens, found[i], i % kCheckedRows,
                      expected[i]);
      }
    }
    return {};
  }

  Status make_weights(const Format& format, const Matrix& matrix) {
    weights_.clear();
    LOWBIT_ASSIGN(tensor::PackedMatrix first, random_matrix(format, matrix.rows, matrix.cols, kSeed));
    const uint64_t bytes = first.bytes().size();
    const uint64_t room = std::min(options_.cold_bytes, available_memory() / 2);
    const auto copies = static_cast<int64_t>(std::max<uint64_t>(1, (room + bytes - 1) / bytes));
    std::vector<tensor::PackedMatrix> all;
    all.push_back(std::move(first));
    while (std::ssize(all) < copies) {
      LOWBIT_ASSIGN(tensor::PackedMatrix copy, tensor::PackedMatrix::allocate(format, matrix.rows, matrix.cols));
      all.push_back(std::move(copy));
    }
    pool_.parallel_for(copies - 1, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin + 1; i <= end; ++i)
        std::memcpy(all[static_cast<size_t>(i)].writable().data(), all[0].bytes().data(), bytes);
    });
    for (tensor::PackedMatrix& m : all) weights_.push_back(weight_of(std::move(m)));
    return {};
  }

  void time(const Format& format, const Format& activation, const Matrix& matrix, int64_t tokens) {
    const RandomActivations x(activation, tokens, matrix.cols, kSeed);
    std::vector<float> out(static_cast<size_t>(tokens * matrix.rows));
    std::vector<kernels::Product> products;
    std::vector<std::span<const std::byte>> memory;
    for (const tensor::Weight& weight : weights_) {
      products.emplace_back(limits_.isa, weight, activation);
      memory.push_back(weight.parts[0].bytes());
    }
    ReadingBeside beside(limits_, pool_, memory);
    size_t turn = 0;
    KernelRate rate;
    rate.weight = formats::print(format);
    rate.activation = formats::print(activation);
    rate.kernel = kernel_of(products[0], kernels::arithmetic_of(format, activation), tokens);
    rate.rows = matrix.rows;
    rate.cols = matrix.cols;
    rate.tokens = tokens;
    rate.copies = static_cast<int>(weights_.size());
    rate.timing = measure(
        [&] {
          const kernels::Product& product = products[turn++ % products.size()];
          product.run(0, matrix.rows, x.view, pool_, out.data(), matrix.rows);
        },
        options_.seconds, 5,
        [&] {
          if (tokens <= kBesideTokens) beside.read();
        });
    const double elements = static_cast<double>(matrix.rows) * static_cast<double>(matrix.cols);
    const double multiplied = elements * static_cast<double>(tokens);
    rate.nanoseconds = rate.timing.seconds / multiplied * 1e9;
    rate.bytes_per_s = static_cast<double>(weights_[0].bytes()) / rate.timing.seconds;
    rate.ops_per_s = 2 * multiplied / rate.timing.seconds;
    rate.reading = beside.bytes_per_s();
    // Of bf16 the limit is that of the faster way, whichever was taken.
    const double peak = kernels::is_integer_activation(activation)                 ? limits_.int8_ops_per_s
                        : format.element == bf16() && activation.element == bf16() ? limits_.bf16_ops_per_s
                                                                                   : limits_.fp32_ops_per_s;
    const double reading = rate.bytes_per_s / rate.reading;
    const double computing = rate.ops_per_s / peak;
    rate.by_reading = reading > computing;
    rate.share = std::max(reading, computing);
    row_(rate);
  }
};

}  // namespace

std::vector<Format> usual_products() {
  std::vector<Format> out;
  for (int bits = 1; bits <= 8; ++bits) {
    for (const int group : {32, 64, 128}) {
      const std::string element = bits == 1 ? "bipolar1" : fmt::format("int{}", bits);
      out.push_back(formats::parse_format(fmt::format("{}/{}", element, group)).value());
    }
  }
  for (const char* name : {"ternary/128", "q4_k", "iq4_nl", "mxfp4", "nvfp4", "nf4/64", "e4m3fn/64", "f16", "bf16"}) {
    out.push_back(formats::parse_format(name).value());
  }
  return out;
}

Status measure_kernels(const KernelRatesOptions& options, const MachineLimits& limits, ThreadPool& pool,
                       const std::function<void(const KernelRate&)>& row, const ProgressFn& progress) {
  Bench bench(options, limits, pool, row);
  const auto total = static_cast<double>(options.formats.size() * options.matrices.size());
  double done = 0;
  for (const Matrix& matrix : options.matrices) {
    for (const Format& format : options.formats) {
      LOWBIT_TRY(bench.run(format, matrix));
      report_progress(progress, "measuring", ++done, total);
    }
  }
  return {};
}

}  // namespace lowbit::cost
