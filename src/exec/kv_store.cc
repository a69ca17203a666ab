#include "exec/kv_store.h"

#include "base/bits.h"
#include "kernels/rows/rows.h"
#include "tensor/cast.h"

namespace lowbit::exec {

KvStore::KvStore(const graph::Attention& attention, int64_t capacity)
    : format_(attention.kv), heads_(attention.kv_heads), dim_(attention.dim), capacity_(round_up(capacity, 16)) {
  const auto is = [&](const char* name) { return format_ == formats::parse_format(name).value(); };
  kind_ = is("f32") ? Kind::f32 : is("f16") ? Kind::f16 : is("bf16") ? Kind::bf16 : Kind::rounded;
  const auto count = static_cast<size_t>(2 * heads_ * dim_ * capacity_);
  if (kind_ == Kind::f16 || kind_ == Kind::bf16) {
    words_.resize(count);
  } else {
    floats_.resize(count);
  }
}

int64_t KvStore::key_index(int64_t head, int64_t position, int64_t d) const {
  return (head * (capacity_ / 16) + position / 16) * dim_ * 16 + d * 16 + position % 16;
}

int64_t KvStore::value_index(int64_t head, int64_t position, int64_t d) const {
  return heads_ * dim_ * capacity_ + (head * capacity_ + position) * dim_ + d;
}

void KvStore::put_row(bool key, int64_t head, int64_t position, const float* row) {
  std::vector<float> rounded(row, row + dim_);
  if (kind_ == Kind::rounded) tensor::cast_row(format_, dim_, row, rounded.data());
  for (int64_t d = 0; d < dim_; ++d) {
    const auto at = static_cast<size_t>(key ? key_index(head, position, d) : value_index(head, position, d));
    if (words_.empty()) {
      floats_[at] = rounded[static_cast<size_t>(d)];
    } else {
      words_[at] = static_cast<uint16_t>(formats::encode(format_.element, row[d]));
    }
  }
}

void KvStore::put(int64_t position, const float* k, const float* v) {
  LOWBIT_CHECK(position < capacity_);
  for (int64_t head = 0; head < heads_; ++head) {
    put_row(true, head, position, k + head * dim_);
    put_row(false, head, position, v + head * dim_);
  }
}

const float* KvStore::keys(Isa isa, int64_t head, int64_t block, float* scratch) const {
  const int64_t at = key_index(head, block * 16, 0);
  if (words_.empty()) return floats_.data() + at;
  kernels::widen(isa, {dim_ * 16, kind_ == Kind::bf16, words_.data() + at, scratch});
  return scratch;
}

const float* KvStore::values(Isa isa, int64_t head, int64_t begin, int64_t end, float* scratch) const {
  const int64_t at = value_index(head, begin, 0);
  if (words_.empty()) return floats_.data() + at;
  kernels::widen(isa, {dim_ * (end - begin), kind_ == Kind::bf16, words_.data() + at, scratch});
  return scratch;
}

}  // namespace lowbit::exec
