#include "exec/kv_store.h"

#include "base/bits.h"
#include "base/rng.h"
#include "kernels/rows/rows.h"
#include "tensor/cast.h"

namespace lowbit::exec {

KvStore::Kind KvStore::kind_of(const formats::Format& format) {
  const auto is = [&](const char* name) { return format == formats::parse_format(name).value(); };
  return is("f32") ? Kind::f32 : is("f16") ? Kind::f16 : is("bf16") ? Kind::bf16 : Kind::rounded;
}

uint64_t KvStore::bytes_of(const graph::Attention& attention, int64_t capacity) {
  const Kind kind = kind_of(attention.kv);
  const auto count = static_cast<uint64_t>(2 * attention.kv_heads * attention.dim * round_up(capacity, 16));
  return count * (kind == Kind::f16 || kind == Kind::bf16 ? 2 : 4);
}

KvStore::KvStore(const graph::Attention& attention, int64_t capacity)
    : format_(attention.kv), heads_(attention.kv_heads), dim_(attention.dim), capacity_(round_up(capacity, 16)) {
  kind_ = kind_of(format_);
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

void KvStore::fill(uint64_t seed, uint64_t stream) {
  // A few numbers rounded once, and random bytes that choose among them: as fast as the bytes can be made.
  constexpr size_t kChoices = 256;
  const int64_t copies = ceil_div(int64_t{kChoices}, dim_);
  Rng rng(seed, stream);
  std::vector<float> numbers(static_cast<size_t>(copies * dim_));
  for (float& x : numbers) x = static_cast<float>(rng.normal());
  if (kind_ == Kind::rounded) {
    for (int64_t i = 0; i < copies; ++i)
      tensor::cast_row(format_, dim_, numbers.data() + i * dim_, numbers.data() + i * dim_);
  }
  std::vector<uint16_t> codes;
  if (!words_.empty()) {
    for (const float x : numbers) codes.push_back(static_cast<uint16_t>(formats::encode(format_.element, x)));
  }
  uint64_t bits = 0;
  const auto next = [&](size_t i) {
    if (i % 8 == 0) bits = rng.next_u64();
    return static_cast<size_t>(bits >> (i % 8 * 8) & 0xFF);
  };
  for (size_t i = 0; i < words_.size(); ++i) words_[i] = codes[next(i)];
  for (size_t i = 0; i < floats_.size(); ++i) floats_[i] = numbers[next(i)];
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
