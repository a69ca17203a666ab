// Checkpoints that were quantized elsewhere: their codes and scales as formats of ours, code for code.
#pragma once

#include <functional>

#include "models/hf/config.h"
#include "models/hf/matrix.h"

namespace lowbit::models::hf {

// The tensors of one module ("model.layers.0.mlp.up_proj") of a checkpoint.
class Module {
 public:
  Module(std::shared_ptr<const io::Checkpoint> checkpoint, std::string name)
      : checkpoint_(std::move(checkpoint)), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const std::shared_ptr<const io::Checkpoint>& checkpoint() const { return checkpoint_; }
  bool has(const std::string& part) const { return find(part) >= 0; }
  int64_t find(const std::string& part) const { return checkpoint_->find(name_ + "." + part); }
  // Empty where the part is missing.
  std::string dtype(const std::string& part) const;
  // The shape of a part of one of these dtypes; an error where it is missing or of another.
  Result<std::vector<int64_t>> shape(const std::string& part, std::initializer_list<std::string_view> dtypes) const;
  std::span<const std::byte> bytes(const std::string& part) const;
  Error error(const std::string& part, std::string_view found, std::string_view expected) const;

 private:
  std::shared_ptr<const io::Checkpoint> checkpoint_;
  std::string name_;
};

// Integers of `bits` bits, one behind the other from the low end of words of 32 bits; a matrix of words
// [words.rows][words.cols] that are packed along its rows or along its columns.
uint32_t bits_at(const uint32_t* words, int64_t stride, int64_t index, int bits);

// Scales of F16, BF16 or F32, as codes and values.
struct Scales {
  std::string format;  // of the format language
  std::vector<uint32_t> codes;
  std::vector<float> values;
};
Result<Scales> read_scales(const Module& module, const std::string& part, std::vector<int64_t>& shape);

// A matrix of unsigned codes, [rows][cols], with a scale and a zero point for each row and group; what GPTQ, AWQ and
// compressed-tensors hold, each packed in its way.
struct IntegerWeights {
  int64_t rows = 0, cols = 0, groups = 1;
  int bits = 4;
  bool one_group = false;  // where groups is 1: whether it is a group as long as the row, and not the row
  std::function<uint32_t(int64_t row, int64_t col)> code;
  Scales scales;                  // [rows][groups]
  std::vector<int32_t> zeros;     // [rows][groups]
  std::vector<int32_t> group_of;  // of each column; empty: neighbours, all of one size
  std::vector<std::shared_ptr<const void>> owners;
};

// int or uint with a zero point where the format can say it; else the exact values in f32 (columns of a group that
// are no neighbours, zero points beyond the codes).
Result<std::unique_ptr<Matrix>> integer_matrix(IntegerWeights weights);

// A matrix whose codes are given row by row.
class CodedMatrix final : public Matrix {
 public:
  std::function<void(int64_t, RowCodes&)> read;
  void codes(int64_t row, RowCodes& out) const override { read(row, out); }
  void values(int64_t, float*) const override {
    LOWBIT_CHECK(false && "a matrix of packed codes has no plain values");
  }
};

// A matrix of plain f32 whose values are given row by row.
class ComputedMatrix final : public Matrix {
 public:
  std::function<void(int64_t, float*)> read;
  void codes(int64_t, RowCodes&) const override { LOWBIT_CHECK(false && "a matrix of f32 has no codes"); }
  void values(int64_t row, float* out) const override { read(row, out); }
};

// All tensors of a checkpoint as matrices; those of quantized modules together under MODULE.weight. Errors name the
// tensor or the key of config.json.
Result<Matrices> read_matrices(const std::shared_ptr<const io::Checkpoint>& checkpoint, const HfConfig& config);

}  // namespace lowbit::models::hf
