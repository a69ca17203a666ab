#include "models/hf/matrix.h"

#include <cstring>

namespace lowbit::models::hf {
namespace {

class PlainMatrix final : public Matrix {
 public:
  PlainMatrix(std::shared_ptr<const io::Checkpoint> checkpoint, size_t index)
      : checkpoint_(std::move(checkpoint)), data_(checkpoint_->bytes(index)) {
    const io::TensorInfo& info = checkpoint_->tensors()[index];
    name = info.name;
    shape = info.shape;
    format = info.parts[0].format;
    bytes = info.bytes;
    stored_as = {index};
    word_ = info.bytes / static_cast<uint64_t>(info.parameters());
  }

  void codes(int64_t row, RowCodes& out) const override {
    out.codes.assign(static_cast<size_t>(cols()), 0);
    const std::byte* from = row_bytes(row);
    for (uint16_t& code : out.codes) {
      std::memcpy(&code, from, word_);
      from += word_;
    }
  }

  void values(int64_t row, float* out) const override {
    const std::byte* from = row_bytes(row);
    if (word_ <= 2) {
      const auto table = formats::decode_table(format.element);
      for (int64_t c = 0; c < cols(); ++c, from += word_) {
        uint16_t code = 0;
        std::memcpy(&code, from, word_);
        out[c] = table[code];
      }
    } else if (word_ == 4) {
      std::memcpy(out, from, static_cast<size_t>(cols()) * 4);
    } else {
      for (int64_t c = 0; c < cols(); ++c, from += word_) {
        double value;
        std::memcpy(&value, from, sizeof(value));
        out[c] = static_cast<float>(value);
      }
    }
  }

 private:
  const std::byte* row_bytes(int64_t row) const { return data_.data() + static_cast<uint64_t>(row * cols()) * word_; }

  std::shared_ptr<const io::Checkpoint> checkpoint_;
  std::span<const std::byte> data_;
  uint64_t word_ = 0;
};

}  // namespace

std::unique_ptr<Matrix> plain_matrix(std::shared_ptr<const io::Checkpoint> checkpoint, size_t index) {
  return std::make_unique<PlainMatrix>(std::move(checkpoint), index);
}

}  // namespace lowbit::models::hf
