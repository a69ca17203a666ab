#include "cost/format_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "arith/operations.h"
#include "arith/tables.h"
#include "base/bits.h"
#include "base/rng.h"
#include "base/threads.h"
#include "cost/timing.h"
#include "formats/array.h"
#include "formats/block.h"
#include "kernels/limits/limits.h"

namespace lowbit::cost {
namespace {

using formats::ElementFormat;
using formats::Format;

// In the second-level cache; and, read and written, more than a gigabyte.
constexpr int64_t kInCache = 1 << 15;
constexpr int64_t kInMemory = int64_t{1} << 28;
constexpr int64_t kCols = 1 << 12;

std::string kind_of(const Format& format) {
  return format.is_plain() ? std::string(formats::kind_name(format.element.kind)) : "block";
}

bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || float_bits(a) == float_bits(b); }

// One residency: the arrays, and the time of a copy by what it moves.
class Bench {
 public:
  Bench(const FormatRatesOptions& options, bool memory, const std::function<void(const FormatRate&)>& row)
      : options_(options), memory_(memory), row_(row) {
    const int64_t count = memory ? kInMemory : kInCache;
    in_.resize(static_cast<size_t>(count));
    out_.resize(in_.size());
    if (options.threads != 1) pool_ = std::make_unique<ThreadPool>(options.threads);
    Rng rng(1);
    for (float& x : in_) {
      const uint64_t draw = rng.next_u64();
      // About normal, cheaply: the sum of four uniforms.
      double sum = -2;
      for (int i = 0; i < 4; ++i) sum += static_cast<double>(draw >> (16 * i) & 0xFFFF) * 0x1p-16;
      x = static_cast<float>(sum * 1.7);
    }
  }

  Status run() {
    measure_copy();
    if (memory_) measure_reading();
    for (const Isa isa : options_.isas) {
      for (const Format& format : options_.formats) {
        if (format.is_plain()) {
          LOWBIT_TRY(element(format.element, isa));
        } else {
          LOWBIT_TRY(block(format, isa));
        }
      }
    }
    return {};
  }

 private:
  const FormatRatesOptions& options_;
  bool memory_;
  const std::function<void(const FormatRate&)>& row_;
  std::vector<float> in_, out_;
  std::vector<double> doubles_;
  std::vector<uint32_t> wide_;
  std::vector<uint8_t> bytes_;
  std::vector<uint16_t> words_;
  std::unique_ptr<ThreadPool> pool_;
  double copy_ = 0;  // seconds for a byte read and one written

  double count() const { return static_cast<double>(in_.size()); }

  // bytes: read and written for each number, together.
  void report(FormatRate rate, double bytes, const std::function<void()>& body) {
    const Timing t = measure(body, options_.seconds);
    rate.resident = memory_ ? "memory" : "cache";
    rate.elements = static_cast<int64_t>(in_.size());
    rate.threads = pool_ ? pool_->size() : 1;
    rate.nanoseconds = t.seconds / count() * 1e9;
    rate.bytes = bytes;
    rate.spread = t.spread;
    if (copy_ == 0) copy_ = t.seconds / count() / bytes;  // the first row is the copy
    rate.share = copy_ * bytes * count() / t.seconds;
    row_(rate);
  }

  void measure_copy() {
    limit("copy", 8, [&](int64_t begin, int64_t end, int) {
      std::memcpy(out_.data() + begin, in_.data() + begin, static_cast<size_t>(end - begin) * sizeof(float));
    });
  }

  // Alone: what encoding, which writes little, comes down to.
  void measure_reading() {
    limit("read", 4, [&](int64_t begin, int64_t end, int) {
      uint32_t sum = 0;
      const auto* bytes = reinterpret_cast<const uint8_t*>(in_.data() + begin);
      kernels::read_sum(detected_isa(), {bytes, (end - begin) * 4, 1, 0, &sum});
    });
  }

  // What the machine does with floats that nothing is made of.
  template <class Part>
  void limit(const char* work, double bytes, const Part& part) {
    FormatRate rate;
    rate.work = work;
    rate.name = rate.kind = "f32";
    rate.isa = detected_isa();
    report(rate, bytes, [&] { in_parts(part); });
  }

  template <class Part>
  void in_parts(const Part& part) const {
    if (pool_) {
      pool_->parallel_for(std::ssize(in_), 1 << 14, part);
    } else {
      part(0, std::ssize(in_), 0);
    }
  }

  // Every k-th number against the scalar function.
  Status check(const std::string& what, const std::function<bool(size_t)>& right) const {
    for (size_t i = 0; i < in_.size(); i += in_.size() / 997) {
      if (!right(i)) return errorf("{}: element {} differs from the scalar function", what, i);
    }
    return {};
  }

  Status element(const ElementFormat& f, Isa isa) {
    FormatRate rate;
    rate.name = formats::print(f);
    rate.kind = kind_of({f, {}});
    rate.isa = isa;
    for (const std::string& round : options_.rounds) {
      formats::ArrayOptions o;
      LOWBIT_ASSIGN(o.policy, formats::parse_policy(round, "finite"));
      o.seed = 3;
      o.isa = isa;
      o.pool = pool_.get();
      rate.round = round;
      LOWBIT_TRY(convert(f, o, rate));
    }
    rate.round = "";
    LOWBIT_TRY(decode(f, isa, rate));
    if (!memory_ && isa == options_.isas.front()) arithmetic(f, rate);
    return {};
  }

  Status convert(const ElementFormat& f, const formats::ArrayOptions& o, FormatRate rate) {
    const auto expected = [&](size_t i) {
      return formats::encode(f, static_cast<double>(in_[i]), o.policy, formats::random_word(o.seed, i));
    };
    rate.work = "cast";
    formats::cast_array(f, in_, out_, o);
    LOWBIT_TRY(check("cast to " + rate.name, [&](size_t i) { return same(out_[i], f.decode(expected(i))); }));
    report(rate, 8, [&] { formats::cast_array(f, in_, out_, o); });
    rate.work = "encode";
    if (f.bits <= 8) {
      bytes_.resize(in_.size());
      formats::encode_array(f, in_, std::span(bytes_), o);
      LOWBIT_TRY(check("codes of " + rate.name, [&](size_t i) { return bytes_[i] == expected(i); }));
      report(rate, 5, [&] { formats::encode_array(f, in_, std::span(bytes_), o); });
    } else if (f.bits <= 16) {
      words_.resize(in_.size());
      formats::encode_array(f, in_, std::span(words_), o);
      LOWBIT_TRY(check("codes of " + rate.name, [&](size_t i) { return words_[i] == expected(i); }));
      report(rate, 6, [&] { formats::encode_array(f, in_, std::span(words_), o); });
    }
    return memory_ ? Status{} : convert_doubles(f, o, rate);
  }

  // Numbers that no float holds.
  Status convert_doubles(const ElementFormat& f, const formats::ArrayOptions& o, FormatRate rate) {
    if (doubles_.empty()) {
      for (const float x : in_) doubles_.push_back(static_cast<double>(x) * 1.0000001);
      wide_.resize(in_.size());
    }
    rate.work = "encode-f64";
    formats::encode_array(f, std::span<const double>(doubles_), std::span(wide_), o);
    LOWBIT_TRY(check("codes of doubles in " + rate.name, [&](size_t i) {
      return wide_[i] == formats::encode(f, doubles_[i], o.policy, formats::random_word(o.seed, i));
    }));
    report(rate, 12, [&] { formats::encode_array(f, std::span<const double>(doubles_), std::span(wide_), o); });
    return {};
  }

  Status decode(const ElementFormat& f, Isa isa, FormatRate rate) {
    formats::ArrayOptions o;
    o.isa = isa;
    o.pool = pool_.get();
    rate.work = "decode";
    if (f.bits > 8) {
      if (f.bits > 16) return {};
      formats::encode_array(f, in_, std::span(words_), o);
      report(rate, 6, [&] { formats::decode_array(f, std::span<const uint16_t>(words_), out_, o); });
      return check("values of " + rate.name, [&](size_t i) { return same(out_[i], f.decode(words_[i])); });
    }
    formats::encode_array(f, in_, std::span(bytes_), o);
    report(rate, 5, [&] { formats::decode_array(f, std::span<const uint8_t>(bytes_), out_, o); });
    LOWBIT_TRY(check("values of " + rate.name, [&](size_t i) { return same(out_[i], f.decode(bytes_[i])); }));
    rate.work = "decode-bf16";
    words_.resize(in_.size());
    report(rate, 3, [&] { formats::decode_to_bf16(f, bytes_, words_, o); });
    return {};
  }

  // One operation after the other on codes of at most 8 bits, as a user's loop would do it.
  void arithmetic(const ElementFormat& f, FormatRate rate) {
    rate.work = "arithmetic";
    rate.round = "rne";
    const std::string name = rate.name;
    std::vector<uint8_t> result(bytes_.size());
    for (const auto op : {arith::Operation::add, arith::Operation::multiply, arith::Operation::divide}) {
      const uint8_t* table = f.bits > 8 ? nullptr : arith::result_table(op, f, {});
      if (table == nullptr) continue;
      rate.name = fmt::format("{} {}", name, arith::row_of(op).name);
      const int bits = f.bits;
      report(rate, 3, [&] {
        const uint8_t* a = bytes_.data();
        const uint8_t* last = a + bytes_.size() - 1;
        uint8_t* out = result.data();
        in_parts([&](int64_t begin, int64_t end, int) {
          for (int64_t i = begin; i < end; ++i) out[i] = table[(a[i] << bits) | last[-i]];
        });
      });
    }
  }

  Status block(const Format& format, Isa isa) {
    formats::BlockOptions o;
    o.array.isa = isa;
    o.array.pool = pool_.get();
    LOWBIT_TRY(formats::check_block_format(format, o));
    FormatRate rate;
    rate.name = formats::print(format);
    rate.kind = "block";
    rate.round = "rne";
    rate.isa = isa;
    rate.work = "encode";
    formats::Blocks blocks;
    report(rate, 5, [&] { formats::encode_blocks(format, in_, kCols, o, blocks); });
    formats::decode_blocks(format, blocks, out_, o.array);
    std::vector<float> values(in_.size());
    rate.work = "cast";
    report(rate, 8, [&] { formats::cast_blocks(format, in_, kCols, values, o); });
    return check("blocks of " + rate.name, [&](size_t i) { return same(out_[i], values[i]); });
  }
};

}  // namespace

std::vector<Format> usual_formats() {
  std::vector<Format> out;
  for (const char* name : {"e4m3fn", "e5m2", "e2m1", "f16", "bf16", "binary8p4se", "int8", "int4", "fix16.8", "nf4",
                           "posit8", "posit16", "mxfp4", "mxfp8", "nvfp4", "e4m3fn/128:f32"}) {
    out.push_back(formats::parse_format(name).value());
  }
  return out;
}

Status measure_formats(const FormatRatesOptions& options, const std::function<void(const FormatRate&)>& row) {
  LOWBIT_TRY(Bench(options, false, row).run());
  if (options.memory) LOWBIT_TRY(Bench(options, true, row).run());
  return {};
}

}  // namespace lowbit::cost
