#include "exec/kv_store.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"
#include "base/rng.h"
#include "formats/array.h"
#include "kernels/attention/attention.h"
#include "tensor/cast.h"

namespace lowbit::exec {
namespace {

constexpr size_t kLine = 64;

template <class Byte>
Byte* first_line(Byte* bytes) {
  const auto at = reinterpret_cast<uintptr_t>(bytes);
  return bytes + (kLine - at % kLine) % kLine;
}

formats::ElementFormat element(const char* name) { return formats::parse_element(name).value(); }

// Does `wide` hold every value of `scale`? Said of small elements only, and of the same one.
bool holds(const formats::ElementFormat& wide, const formats::ElementFormat& scale) {
  if (scale == wide) return true;
  if (scale.bits > 8) return false;
  return std::ranges::all_of(formats::decode_table(scale), [&](float v) {
    return !std::isfinite(v) || wide.decode(formats::encode(wide, v)) == v;
  });
}

kernels::ScaleKind scale_kind_of(const formats::ElementFormat& scale) {
  if (holds(element("f16"), scale)) return kernels::ScaleKind::f16;
  return holds(element("bf16"), scale) ? kernels::ScaleKind::bf16 : kernels::ScaleKind::f32;
}

// Whole numbers in the range of two's complement, none of them -0.
bool are_whole(std::span<const float> values, int bits) {
  const auto half = static_cast<float>(1 << (bits - 1));
  return std::ranges::all_of(values, [&](float v) {
    return v == std::floor(v) && v >= -half && v < half && !(v == 0.0f && std::signbit(v));
  });
}

// Bytes 2 of the values of 256 codes, then bytes 3; nothing where the lower ones are not 0.
std::vector<uint8_t> upper_bytes(std::span<const float> values) {
  std::vector<uint8_t> out(512);
  for (size_t code = 0; code < 256; ++code) {
    const auto bits = std::bit_cast<uint32_t>(values[code]);
    if ((bits & 0xffff) != 0) return {};
    out[code] = static_cast<uint8_t>(bits >> 16);
    out[256 + code] = static_cast<uint8_t>(bits >> 24);
  }
  return out;
}

}  // namespace

KvStore::KvStore(const graph::Attention& attention, int64_t capacity, Empty)
    : format_(attention.kv),
      heads_(attention.kv_heads),
      dim_(attention.dim),
      tiles_(ceil_div(attention.dim, 16)),
      blocks_(ceil_div(capacity, 16)) {
  if (format_.element.bits <= 8) {
    kind_ = Kind::codes;
    bits_ = format_.element.bits <= 4 ? 4 : 8;
    const std::span<const float> values = formats::decode_table(format_.element);
    std::ranges::copy(values, table_.begin());
    whole_numbers_ = are_whole(values, bits_);
    for (size_t code = 0; code < values.size(); ++code) {
      const int number =
          whole_numbers_ ? static_cast<int>(values[code]) + (1 << (bits_ - 1)) : static_cast<int>(code);
      kept_[code] = static_cast<uint8_t>(number);
    }
    if (!whole_numbers_ && bits_ == 8) upper_ = upper_bytes(table_);
    if (!format_.is_plain()) {
      scale_kind_ = scale_kind_of(format_.levels[0].scale);
      group_ = format_.levels[0].group < 0 ? dim_ : std::min<int64_t>(format_.levels[0].group, dim_);
      groups_ = ceil_div(dim_, group_);
    }
  } else if (format_.is_plain() && (format_.element == element("f16") || format_.element == element("bf16"))) {
    kind_ = Kind::words;
    word_kind_ = format_.element == element("f16") ? kernels::ScaleKind::f16 : kernels::ScaleKind::bf16;
    bits_ = 16;
  }
  LOWBIT_CHECK(!attention.integer || (whole_numbers_ && groups_ > 0 && groups_ <= kernels::kMostCodeGroups));
}

KvStore::KvStore(const graph::Attention& attention, int64_t capacity) : KvStore(attention, capacity, Empty()) {
  const int64_t blocks = 2 * heads_ * blocks_;
  data_.resize(lines(blocks * data_bytes()));
  scales_.resize(lines(blocks * scale_bytes()));
}

uint64_t KvStore::bytes_of(const graph::Attention& attention, int64_t capacity) {
  return KvStore(attention, capacity, Empty()).bytes();
}

void KvStore::fill(uint64_t seed, uint64_t stream) {
  // Some blocks are made, the others are copies.
  const int64_t made = std::min<int64_t>(blocks_, 8);
  Rng rng(seed, stream);
  std::vector<float> k(static_cast<size_t>(dim_)), v(k.size());
  for (int64_t head = 0; head < heads_; ++head) {
    for (int64_t position = 0; position < 16 * made; ++position) {
      for (float& x : k) x = static_cast<float>(rng.normal());
      for (float& x : v) x = static_cast<float>(rng.normal());
      put(head, position, k.data(), v.data());
    }
  }
  const auto repeat = [&](std::byte* all, int64_t block_bytes) {
    for (int64_t part = 0; part < 2 * heads_; ++part) {
      std::byte* first = all + part * blocks_ * block_bytes;
      for (int64_t block = made; block < blocks_; ++block) {
        std::memcpy(first + block * block_bytes, first + block % made * block_bytes,
                    static_cast<size_t>(block_bytes));
      }
    }
  };
  repeat(first_line(data_.data()), data_bytes());
  if (groups_ > 0) repeat(first_line(scales_.data()), scale_bytes());
}

int64_t KvStore::block_index(bool key, int64_t head, int64_t block) const {
  return ((key ? 0 : heads_) + head) * blocks_ + block;
}

std::byte* KvStore::tile_of(bool key, int64_t head, int64_t position, int64_t d) {
  return first_line(data_.data()) + (block_index(key, head, position / 16) * tiles_ + d / 16) * 32 * bits_;
}

void KvStore::put_scale(bool key, int64_t head, int64_t position, int64_t group, float scale) {
  const int64_t at = (block_index(key, head, position / 16) * groups_ + group) * 16 + position % 16;
  std::byte* scales = first_line(scales_.data());
  if (scale_kind_ == kernels::ScaleKind::f32) {
    std::memcpy(scales + at * 4, &scale, 4);
    return;
  }
  static const formats::ElementFormat f16 = element("f16"), bf16 = element("bf16");
  const auto word =
      static_cast<uint16_t>(formats::encode(scale_kind_ == kernels::ScaleKind::f16 ? f16 : bf16, scale));
  std::memcpy(scales + at * 2, &word, 2);
}

void KvStore::put_codes(bool key, int64_t head, int64_t position, const float* row) {
  static thread_local std::vector<uint8_t> codes;
  static thread_local std::vector<float> scales;
  codes.resize(std::max(codes.size(), static_cast<size_t>(dim_)));
  scales.resize(std::max(scales.size(), static_cast<size_t>(dim_)));
  tensor::encode_row(format_, dim_, row, codes.data(), scales.data());
  const int64_t at = position % 16;
  for (int64_t first = 0; first < dim_; first += 16) {
    auto* tile = reinterpret_cast<uint8_t*>(tile_of(key, head, position, first));
    const int64_t cols = std::min<int64_t>(16, dim_ - first);
    for (int64_t d = 0; d < cols; ++d) {
      const int64_t r = key ? d : at, lane = key ? at : d;
      const uint8_t kept = kept_[codes[static_cast<size_t>(first + d)]];
      if (bits_ == 8) {
        tile[r / 4 * 64 + 4 * lane + r % 4] = kept;
      } else {
        uint8_t& both = tile[r / 8 * 64 + 4 * lane + r % 4];
        both = static_cast<uint8_t>(r % 8 < 4 ? (both & 0xf0) | kept : (both & 0x0f) | kept << 4);
      }
    }
  }
  for (int64_t group = 0; group < groups_; ++group) {
    put_scale(key, head, position, group, scales[static_cast<size_t>(group)]);
  }
}

void KvStore::put_row(bool key, int64_t head, int64_t position, const float* row) {
  if (kind_ == Kind::codes) return put_codes(key, head, position, row);
  static thread_local std::vector<float> rounded;
  static thread_local std::vector<uint16_t> words;
  const auto count = static_cast<size_t>(dim_);
  rounded.resize(std::max(rounded.size(), count));
  words.resize(std::max(words.size(), count));
  if (kind_ == Kind::floats) {
    tensor::cast_row(format_, dim_, row, rounded.data());
  } else {
    formats::encode_array(format_.element, {row, count}, std::span(words).first(count));
  }
  const auto place = [&](const auto* from) {
    using Word = std::remove_cvref_t<decltype(*from)>;
    for (int64_t first = 0; first < dim_; first += 16, from += 16) {
      Word* const tile = reinterpret_cast<Word*>(tile_of(key, head, position, first));
      const int64_t cols = std::min<int64_t>(16, dim_ - first), at = position % 16;
      for (int64_t d = 0; d < cols; ++d) tile[key ? d * 16 + at : at * 16 + d] = from[d];
    }
  };
  kind_ == Kind::floats ? place(rounded.data()) : place(words.data());
}

void KvStore::put(int64_t head, int64_t position, const float* k, const float* v) {
  LOWBIT_CHECK(position < blocks_ * 16);
  put_row(true, head, position, k);
  put_row(false, head, position, v);
}

KvStore::Tiles KvStore::tiles(bool key, int64_t head, const Range& range, float* scratch) const {
  const int64_t block = block_index(key, head, range.first_block);
  const std::byte* data = first_line(data_.data()) + (block * tiles_ + range.first_tile) * 32 * bits_;
  if (kind_ == Kind::floats) return {reinterpret_cast<const float*>(data), tiles_ * 256, {}, false};
  const std::byte* scales = groups_ > 0 ? first_line(scales_.data()) + block * scale_bytes() : nullptr;
  return {scratch,
          range.tiles * 256,
          {range.blocks, range.first_tile, range.tiles, tiles_, key, bits_, reinterpret_cast<const uint8_t*>(data),
           has_table() ? table_.data() : nullptr, upper_.empty() ? nullptr : upper_.data(), word_kind_, scale_kind_,
           scales, group_, groups_, scratch},
          true};
}

}  // namespace lowbit::exec
