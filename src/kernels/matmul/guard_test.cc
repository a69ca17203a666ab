// Products between guard pages: nothing before or beyond what the arguments hold is read or written, wherever it
// lies.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

// Bytes that end (or begin) at a page that nobody may touch.
class Guarded {
 public:
  Guarded(size_t bytes, bool at_end) : bytes_(bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    mapped_ = (bytes + page - 1) / page * page + 2 * page;
    base_ = static_cast<std::byte*>(mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(base_, MAP_FAILED);
    // Of no bytes there is nothing to open, which emulators take for an error.
    EXPECT_TRUE(bytes == 0 || mprotect(base_ + page, mapped_ - 2 * page, PROT_READ | PROT_WRITE) == 0);
    data_ = at_end ? base_ + mapped_ - page - bytes : base_ + page;
  }
  ~Guarded() { munmap(base_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  template <class T>
  T* copy(const T* from) {
    if (from == nullptr) return nullptr;
    std::memcpy(data_, from, bytes_);
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  std::span<const std::byte> span() const { return {data_, bytes_}; }

 private:
  size_t bytes_, mapped_ = 0;
  std::byte* base_ = nullptr;
  std::byte* data_ = nullptr;
};

// A weight of one part with its bytes between guards; they begin at any address.
void check(const formats::Format& format, const formats::Format& activation, int64_t rows, int64_t cols,
           int64_t tokens, bool at_end, Rng& rng, const KernelChoice& choice = {}) {
  tensor::Weight weight = test::random_weight({format}, rows, cols, false, rng);
  const auto x = test::activations(activation, tokens, cols, test::normals(tokens * cols, rng));
  std::vector<float> expected(static_cast<size_t>(tokens * rows));
  matmul_oracle(weight, x->view, expected.data(), rows);

  const tensor::PackedMatrix& part = weight.parts[0];
  Guarded bytes(part.bytes().size(), at_end), values(x->values.size() * 4, at_end), codes(x->codes.size(), at_end),
      scales(x->scales.size() * 4, at_end), out(expected.size() * 4, at_end);
  bytes.copy(part.bytes().data());
  weight.parts[0] = tensor::PackedMatrix::view(format, rows, cols, bytes.span(), nullptr).value();
  Activations view = x->view;
  view.values = values.copy(x->view.values);
  view.codes = codes.copy(x->view.codes);
  view.scales = scales.copy(x->view.scales);
  ThreadPool pool(1);
  for (const Isa isa : offered_isas()) {
    std::fill_n(out.as<float>(), expected.size(), -777.0f);
    Product(isa, weight, activation, choice).run(0, rows, view, pool, out.as<float>(), rows);
    EXPECT_EQ(test::first_difference(std::span(out.as<float>(), expected.size()), expected), -1)
        << formats::print(format) << " times " << formats::print(activation) << ", " << isa_name(isa) << ", "
        << tokens << " x " << rows << " x " << cols;
  }
}

TEST(Guard, NothingBesideTheArgumentsIsTouched) {
  Rng rng(21);
  for (const char* format : {"int1/32:f16",
                             "int2/64:f16",
                             "int3/64:f16",
                             "q4_0",
                             "int4/128:f16+zp",
                             "q4_1",
                             "q4_k",
                             "q6_k",
                             "int7/32:bf16",
                             "q8_0",
                             "mxfp4",
                             "nvfp4",
                             "e2m3/32:e8m0",
                             "e3m2/48:ue4m3",
                             "ternary/256:f16",
                             "ternary/32:f16",
                             "[2,-5,1]/64:f16",
                             "int4/16:uint3/64:f16",
                             "int4/7:f16",
                             "nf4/64:f32",
                             "bf16",
                             "f32",
                             "e4m3fn/128:f32",
                             "int4/row:f32",
                             "int8/tensor:f32"}) {
    for (const char* activation : {"int8/32:f32", "int8/128:f16", "int8/16:f32", "int12/32:f32", "f32"}) {
      for (const bool at_end : {false, true}) {
        const auto rows = static_cast<int64_t>(1 + rng.below(70)), cols = static_cast<int64_t>(1 + rng.below(700));
        for (const int64_t tokens : {1, 3, 8, 67}) {
          check(test::format_of(format), test::format_of(activation), rows, cols, tokens, at_end, rng);
        }
      }
    }
  }
}

TEST(Guard, ProductsThatCountBits) {
  Rng rng(23);
  for (const char* format : {"binary/32:f16", "int1/row:f32+zp", "[-1,0,1,0]/64:f16", "uint2/32:f16+f16"}) {
    for (const char* activation : {"binary/32:f32", "int2/row:f32", "int4/32:f32"}) {
      for (const int64_t tokens : {1, 3, 8, 13}) {
        for (const bool at_end : {false, true}) {
          const auto rows = static_cast<int64_t>(1 + rng.below(70)), cols = static_cast<int64_t>(1 + rng.below(900));
          check(test::format_of(format), test::format_of(activation), rows, cols, tokens, at_end, rng,
                {kMostPlanePairs, kMostPlanePairs});
        }
      }
    }
  }
}

TEST(Guard, ProductsByTheOtherKernels) {
  Rng rng(24);
  const char* pairs[][2] = {{"bf16", "bf16"},
                            {"e4m3fn", "bf16"},
                            {"int8", "bf16"},
                            {"int4/64:f16", "int8/64:f32"},
                            {"q4_1", "int8/32:f32"},
                            {"nvfp4", "int8/32:f32"},
                            {"int3/32:f16", "int8/32:f32"},
                            {"int7/32:bf16", "int8/32:f32"}};
  for (const auto& [format, activation] : pairs) {
    for (const int64_t tokens : {3, 8, 13, 16, 67}) {
      for (const bool at_end : {false, true}) {
        const auto rows = static_cast<int64_t>(1 + rng.below(70)), cols = static_cast<int64_t>(1 + rng.below(900));
        check(test::format_of(format), test::format_of(activation), rows, cols, tokens, at_end, rng,
              {0, 0, true, true, true});
      }
    }
  }
}

// Whole steps of columns, where few tokens go straight from the packed weights.
TEST(Guard, FloatingProductsOfFewAndManyTokens) {
  Rng rng(22);
  for (const char* format : {"f32", "f16", "bf16", "fix16.8", "nf4", "nf4/64:f32", "e2m1/32:f16", "e4m3fn",
                             "e4m3fn/64:f32", "int8/32:f16", "e3m2/32:e8m0", "int3/32:f16", "q4_1"}) {
    for (const int64_t tokens : {1, 2, 5, 8, 13, 31, 66}) {
      for (const bool at_end : {false, true}) {
        const auto rows = static_cast<int64_t>(1 + rng.below(100)),
                   cols = static_cast<int64_t>(32 + 32 * rng.below(9));
        check(test::format_of(format), test::format_of("f32"), rows, cols, tokens, at_end, rng);
      }
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels
