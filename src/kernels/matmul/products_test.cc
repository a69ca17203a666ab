// Several products in one loop give what each gives alone.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/test_data.h"

namespace lowbit::kernels {
namespace {

using test::format_of;

struct Weights {
  std::vector<std::unique_ptr<tensor::Weight>> weights;
  std::vector<Product> products;

  // A weight of one or two parts for each text "format[+format]", of unequal numbers of rows.
  Weights(Isa isa, const std::vector<std::vector<const char*>>& lists, int64_t cols,
          const formats::Format& activation, Rng& rng) {
    int64_t rows = 24;
    for (const auto& list : lists) {
      std::vector<formats::Format> formats;
      for (const char* text : list) formats.push_back(format_of(text));
      const bool shuffled = formats.size() > 1;
      weights.push_back(std::make_unique<tensor::Weight>(test::random_weight(formats, rows, cols, shuffled, rng)));
      products.emplace_back(isa, *weights.back(), activation);
      rows += 19;
    }
  }
};

void expect_same(const Weights& w, const Activations& x, ThreadPool& pool, const std::string& what) {
  std::vector<std::vector<float>> alone, together;
  std::vector<ProductRun> runs;
  for (const Product& p : w.products) {
    alone.emplace_back(static_cast<size_t>(x.tokens * p.rows()));
    together.emplace_back(alone.back().size(), -1.0f);
    p.run(0, p.rows(), x, pool, alone.back().data(), p.rows());
  }
  for (size_t i = 0; i < w.products.size(); ++i) {
    const int64_t rows = w.products[i].rows();
    runs.push_back({&w.products[i], 0, rows, &x, together[i].data(), rows});
  }
  run_products(runs, pool);
  for (size_t i = 0; i < runs.size(); ++i) {
    EXPECT_EQ(test::first_difference(alone[i], together[i]), -1) << what << ", product " << i;
  }
}

TEST(RunProducts, GiveWhatEachGivesAlone) {
  // Of one packing; of several; in both arithmetics; of several parts.
  const std::vector<std::vector<std::vector<const char*>>> kLists = {
      {{"int4/32:f16"}, {"int4/32:f16"}, {"q4_0"}},
      {{"int4/32:f16"}, {"int4/64:f16"}, {"int4/32:f16"}, {"q4_k"}},
      {{"bf16"}, {"int4/32:f16"}, {"nf4/64:f16"}, {"bf16"}},
      {{"q8_0", "int3/32:f16", "bf16"}, {"int2/32:f16"}, {"q8_0", "int4/64:f16"}},
      {{"int1/64:f16"}, {"int4/6:f16"}, {"int1/64:f16"}}};
  Rng rng(5);
  constexpr int64_t kCols = 192;
  for (const char* activation : {"int8/32:f32", "int2/64:f32", "f32"}) {
    const formats::Format format = format_of(activation);
    for (const int64_t tokens : {1, 3, 30}) {
      const auto x = test::activations(format, tokens, kCols, test::normals(tokens * kCols, rng));
      for (const bool stamped : {false, true}) {
        for (const Isa isa : offered_isas()) {
          for (const int threads : {1, 3}) {
            ThreadPool pool(threads);
            for (size_t i = 0; i < kLists.size(); ++i) {
              x->view.stamp = stamped ? new_stamp() : 0;
              const Weights weights(isa, kLists[i], kCols, format, rng);
              expect_same(weights, x->view, pool, fmt::format("{} {} list {}", activation, isa_name(isa), i));
            }
          }
        }
      }
    }
  }
}

// Tokens out of others, one after the other and of different numbers, with rows in the middle of the weights: as
// experts are.
TEST(RunProducts, OfTokensOutOfOthers) {
  constexpr int64_t kCols = 192, kTokens = 23;
  constexpr int64_t kCounts[] = {1, 1, 3, 1, 9, 2, 1, 5};  // together kTokens
  Rng rng(6);
  for (const char* activation : {"int8/32:f32", "int14/row:f32", "f32"}) {
    const formats::Format format = format_of(activation);
    const auto x = test::activations(format, kTokens, kCols, test::normals(kTokens * kCols, rng));
    for (const Isa isa : offered_isas()) {
      const Weights weights(isa, {{"int4/32:f16"}, {"q4_k"}, {"bf16"}, {"int4/6:f16"}}, kCols, format, rng);
      for (const bool stamped : {false, true}) {
        for (const int threads : {1, 3}) {
          ThreadPool pool(threads);
          x->view.stamp = stamped ? new_stamp() : 0;
          std::vector<Activations> parts;
          for (int64_t first = 0; const int64_t count : kCounts) {
            parts.push_back(x->view.some(first, count));
            first += count;
          }
          std::vector<std::vector<float>> whole, together;
          std::vector<ProductRun> runs;
          for (const Product& p : weights.products) {
            whole.emplace_back(static_cast<size_t>(kTokens * p.rows()));
            together.emplace_back(whole.back().size());
            p.run(0, p.rows(), x->view, pool, whole.back().data(), p.rows());
          }
          for (const Activations& part : parts) {
            for (size_t i = 0; i < weights.products.size(); ++i) {
              const Product& p = weights.products[i];
              float* out = together[i].data() + part.before * p.rows();
              runs.push_back({&p, 0, 17, &part, out, p.rows()});
              runs.push_back({&p, 17, p.rows(), &part, out + 17, p.rows()});
            }
          }
          run_products(runs, pool);
          for (size_t i = 0; i < whole.size(); ++i) {
            EXPECT_EQ(test::first_difference(whole[i], together[i]), -1)
                << activation << ' ' << isa_name(isa) << (stamped ? ", stamped" : "") << ", product " << i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels
