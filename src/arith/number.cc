// The library behind include/lowbit/number.h.
#include "lowbit/number.h"

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "arith/by_double.h"
#include "arith/decimal.h"
#include "arith/operations.h"
#include "arith/tables.h"
#include "base/check.h"
#include "base/rng.h"
#include "formats/exact.h"
#include "formats/format.h"

namespace lowbit {
namespace {

using arith::Operation;
using formats::ElementKind;
using formats::Exact;
using formats::Rounding;
using formats::Saturation;

constexpr Operation kBinary[] = {Operation::add, Operation::subtract, Operation::multiply, Operation::divide};
constexpr uint32_t (arith::ByDouble::* kFast[])(uint32_t, uint32_t) const = {
    &arith::ByDouble::add, &arith::ByDouble::subtract, &arith::ByDouble::multiply, &arith::ByDouble::divide};

struct RandomStream {
  uint64_t seed = 0, stream = 0, index = 0;
};
thread_local RandomStream random_stream;

uint32_t random_for(const formats::CastPolicy& policy) {
  if (!formats::is_stochastic(policy.rounding)) return 0;
  RandomStream& s = random_stream;
  const uint64_t at = s.index++;
  return philox(s.seed, s.stream, at / 4)[at % 4];
}

// The least positive value, and the first above 1.
constexpr int64_t kTinyScale = -100000;

NumberFormat::Limits limits_of(const formats::ElementFormat& f) {
  const formats::CastPolicy nearest{Rounding::nearest_even, Saturation::finite};
  const formats::CastPolicy up{Rounding::up, Saturation::finite}, none{Rounding::nearest_even, Saturation::none};
  const auto value = [&](uint32_t code) { return formats::decode_exact(f, code); };
  NumberFormat::Limits out{};
  out.zero = formats::encode(f, Exact::zero(), nearest);
  out.one = formats::encode(f, Exact::of(1), nearest);
  out.half = formats::encode(f, Exact::of(0.5), nearest);
  out.max = f.max_code();
  out.lowest = f.min_code();
  out.least = formats::encode(f, Exact::finite(false, 1, kTinyScale), up);
  out.infinity = formats::encode(f, Exact::infinity(), none);
  out.nan = formats::encode(f, Exact::nan(), none);
  out.has_infinity = value(out.infinity).is_infinite();
  out.has_nan = value(out.nan).is_nan();
  out.is_signed = value(out.lowest).negative && !value(out.lowest).is_zero();
  const bool is_float = f.kind == ElementKind::floating;
  out.has_subnormals = is_float && f.has_zero && f.subnormals == formats::Subnormals::gradual && f.mantissa_bits > 0;
  const uint32_t first = 1u << f.mantissa_bits;
  out.min_normal = out.has_subnormals && first <= out.max ? first : out.least;
  const Exact above = value(formats::encode(f, Exact::finite(false, (uint64_t{1} << 60) + 1, -60), up));
  const Exact step = arith::subtract(above, Exact::of(1), Rounding::nearest_even);
  const bool has_step = value(out.one) == Exact::of(1) && step.kind == Exact::Kind::finite && !step.negative;
  out.epsilon = formats::encode(f, has_step ? step : Exact::zero(), nearest);
  out.digits = is_float ? f.mantissa_bits + 1 : has_step ? 1 - step.exponent : 1;
  out.min_exponent = value(out.min_normal).exponent + 1;
  out.max_exponent = value(out.max).exponent + 1;
  return out;
}

}  // namespace

struct NumberFormat::Meaning {
  formats::ElementFormat element;
  formats::CastPolicy policy;
  std::vector<double> values;
  std::vector<uint8_t> negated, flags;  // for at most 8 bits
  std::optional<arith::ByDouble> fast;
};

namespace {

enum Flag : uint8_t { kNan = 1, kInfinite = 2, kNegative = 4 };

uint8_t flags_of(const Exact& x) {
  return static_cast<uint8_t>((x.is_nan() ? kNan : 0) | (x.is_infinite() ? kInfinite : 0) |
                              (x.negative ? kNegative : 0));
}

uint32_t negated(const formats::ElementFormat& f, const formats::CastPolicy& policy, uint32_t code) {
  // The number itself may leave the range, but takes no rounding.
  return formats::encode(f, arith::negate(formats::decode_exact(f, code)),
                         {Rounding::nearest_even, policy.saturation});
}

}  // namespace

void seed_rounding(uint64_t seed, uint64_t stream) { random_stream = {seed, stream, 0}; }

void detail::misused(const char* sentence) { check_failed("lowbit/number.h", 0, sentence); }

NumberFormat::NumberFormat(std::unique_ptr<Meaning> meaning) : meaning_(std::move(meaning)) {
  const formats::ElementFormat& f = meaning_->element;
  bits_ = f.bits;
  name_ = formats::print(f);
  limits_ = limits_of(f);
  meaning_->fast = arith::ByDouble::make(f, meaning_->policy);
  if (f.bits > 8) return;
  for (size_t i = 0; i < std::size(kBinary); ++i) tables_[i] = arith::result_table(kBinary[i], f, meaning_->policy);
  bool exact = true;
  for (uint32_t code = 0; code < f.code_count(); ++code) {
    const Exact x = formats::decode_exact(f, code);
    const double v = x.to_double();
    exact = exact && (x.is_nan() || Exact::of(v) == x);
    meaning_->values.push_back(v);
    meaning_->negated.push_back(static_cast<uint8_t>(lowbit::negated(f, meaning_->policy, code)));
    meaning_->flags.push_back(flags_of(x));
  }
  if (exact) values_ = meaning_->values.data();
}

NumberFormat::~NumberFormat() = default;

const NumberFormat* NumberFormat::find(std::string_view format, std::string_view rounding,
                                       std::string_view saturation, std::string* error) {
  static std::mutex mutex;
  static auto& made = *new std::map<std::string, const NumberFormat*>;  // never freed
  const auto element = formats::parse_element(format);
  const auto policy = formats::parse_policy(rounding, saturation);
  if (!element.ok() || !policy.ok()) {
    if (error != nullptr) *error = element.ok() ? policy.message() : element.message();
    return nullptr;
  }
  const std::string key = formats::print(*element) + " " + formats::print_rounding(*policy) + " " +
                          std::string(formats::print_saturation(policy->saturation));
  const std::lock_guard lock(mutex);
  const NumberFormat*& slot = made[key];
  if (slot == nullptr) {
    auto meaning = std::make_unique<Meaning>();
    meaning->element = *element;
    meaning->policy = *policy;
    slot = new NumberFormat(std::move(meaning));
  }
  return slot;
}

const NumberFormat& NumberFormat::of(std::string_view format, std::string_view rounding, std::string_view saturation,
                                     int most_bits) {
  std::string error;
  const NumberFormat* found = find(format, rounding, saturation, &error);
  if (found == nullptr) detail::misused(error.c_str());
  if (found->bits() > most_bits) {
    error = found->name() + " has " + std::to_string(found->bits()) + " bits, its Number holds " +
            std::to_string(most_bits) + " (the fourth argument of Number<...>)";
    detail::misused(error.c_str());
  }
  return *found;
}

uint32_t NumberFormat::encode(double x) const {
  return formats::encode(meaning_->element, x, meaning_->policy, random_for(meaning_->policy));
}

uint32_t NumberFormat::encode_integer(bool negative, uint64_t magnitude) const {
  const Exact x = Exact::finite(negative, magnitude, 0);
  return formats::encode(meaning_->element, x, meaning_->policy, random_for(meaning_->policy));
}

uint32_t NumberFormat::encode_code(const NumberFormat& other, uint32_t code) const {
  const Exact x = formats::decode_exact(other.meaning_->element, code);
  return formats::encode(meaning_->element, x, meaning_->policy, random_for(meaning_->policy));
}

bool NumberFormat::encode_text(std::string_view text, uint32_t* code) const {
  const auto x = arith::parse_decimal(text);
  if (!x) return false;
  *code = formats::encode(meaning_->element, *x, meaning_->policy, random_for(meaning_->policy));
  return true;
}

float NumberFormat::decode_float(uint32_t code) const { return meaning_->element.decode(code); }

double NumberFormat::decode_wide(uint32_t code) const {
  return formats::decode_exact(meaning_->element, code).to_double();
}

uint32_t NumberFormat::compute(int row, uint32_t a, uint32_t b) const {
  if (meaning_->fast) return (*meaning_->fast.*kFast[row])(a, b);
  return arith::apply(kBinary[row], meaning_->element, a, b, meaning_->policy, random_for(meaning_->policy));
}

uint32_t NumberFormat::square_root(uint32_t a) const {
  if (meaning_->fast) return meaning_->fast->square_root(a);
  return arith::apply(Operation::square_root, meaning_->element, a, meaning_->policy, random_for(meaning_->policy));
}

uint32_t NumberFormat::fma(uint32_t a, uint32_t b, uint32_t c) const {
  if (meaning_->fast) return meaning_->fast->fma(a, b, c);
  return arith::apply(Operation::fma, meaning_->element, a, b, c, meaning_->policy, random_for(meaning_->policy));
}

uint32_t NumberFormat::negate(uint32_t a) const {
  return meaning_->negated.empty() ? negated(meaning_->element, meaning_->policy, a) : meaning_->negated[a];
}

std::partial_ordering NumberFormat::compare_wide(uint32_t a, uint32_t b) const {
  const Exact x = formats::decode_exact(meaning_->element, a), y = formats::decode_exact(meaning_->element, b);
  if (x.is_nan() || y.is_nan()) return std::partial_ordering::unordered;
  const int order = formats::compare(x, y);
  return order < 0   ? std::partial_ordering::less
         : order > 0 ? std::partial_ordering::greater
                     : std::partial_ordering::equivalent;
}

uint32_t NumberFormat::flags(uint32_t a) const {
  return meaning_->flags.empty() ? flags_of(formats::decode_exact(meaning_->element, a)) : meaning_->flags[a];
}
bool NumberFormat::is_nan(uint32_t a) const { return (flags(a) & kNan) != 0; }
bool NumberFormat::is_infinite(uint32_t a) const { return (flags(a) & kInfinite) != 0; }
bool NumberFormat::is_negative(uint32_t a) const { return (flags(a) & kNegative) != 0; }

}  // namespace lowbit
