// Tables for elements that no formula covers: where the code of a rounding changes, or the values themselves.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "base/bits.h"
#include "formats/array_plans.h"
#include "formats/codebook.h"
#include "formats/exact.h"
#include "formats/recent.h"

namespace lowbit::formats {

struct Tables {
  std::vector<int32_t> edges, short_edges;
  std::vector<uint32_t> results, short_results;
  int shift = 0, steps = 0, short_steps = 0;
  // Of the results, where these are codes (values alone), or of the bounds.
  std::vector<uint32_t> codes;
  std::vector<float> values, short_values;
  std::vector<double> bounds;
};

namespace {

// Bins are told apart by at most so many bits of the mantissa.
constexpr int kMostBits = 7;

// The least float that is not below a double.
float float_from(double x) {
  if (x > std::numeric_limits<float>::max()) return std::numeric_limits<float>::infinity();
  if (x < -std::numeric_limits<float>::max()) return -std::numeric_limits<float>::max();
  const auto t = static_cast<float>(x);
  return static_cast<double>(t) >= x ? t : std::nextafter(t, std::numeric_limits<float>::infinity());
}

// Every float by its key.
int64_t key_of(float x) {
  const int64_t u = float_bits(x);
  return (u & 0x80000000) != 0 ? 0x7FFFFFFF - u : u;
}
float from_key(int64_t k) { return bits_float(static_cast<uint32_t>(k < 0 ? 0x7FFFFFFF - k : k)); }

struct Piece {
  int64_t from;
  uint32_t result;
};

// A function of floats as pieces of one result each. Between two values of the element, of one sign and finite, the
// result never comes back to what it was.
template <class Function>
class Pieces {
 public:
  Pieces(const ElementFormat& f, const Function& function) : function_(function) {
    const int64_t infinite = key_of(HUGE_VALF), most = 0x7FFFFFFF;
    std::vector<int64_t> knots = {0, 1, infinite - 1, infinite, infinite + 1, most};
    for (size_t i = 0; i < 6; ++i) knots.push_back(-1 - knots[i]);
    for (uint32_t code = 0; code < f.code_count(); ++code) {
      const Exact x = decode_exact(f, code);
      if (x.is_finite()) knots.push_back(key_of(float_from(x.to_double())));
    }
    std::sort(knots.begin(), knots.end());
    pieces_ = {{knots[0], at(knots[0])}};
    for (size_t i = 1; i < knots.size(); ++i) split(knots[i - 1], knots[i], at(knots[i]));
  }
  const std::vector<Piece>& all() const { return pieces_; }

 private:
  const Function& function_;
  std::vector<Piece> pieces_;

  uint32_t at(int64_t k) const { return function_(from_key(k)); }

  // The last piece holds low; where high has another result the pieces between them are found by halving.
  void split(int64_t low, int64_t high, uint32_t result) {
    if (pieces_.back().result == result) return;
    if (high - low <= 1) {
      pieces_.push_back({high, result});
      return;
    }
    const int64_t middle = low + (high - low) / 2;
    split(low, middle, at(middle));
    split(middle, high, result);
  }
};

// Bins of 23 - bits lower bits of the key; false where two edges fall into one.
bool fill_bins(const std::vector<Piece>& pieces, int bits, Tables& t) {
  const int shift = 23 - bits;
  const auto bin_of = [&](const Piece& piece) { return (piece.from >> shift) + (int64_t{0x80000000} >> shift); };
  for (size_t i = 2; i < pieces.size(); ++i) {
    if (bin_of(pieces[i]) == bin_of(pieces[i - 1])) return false;
  }
  t.shift = shift;
  const size_t bins = size_t{1} << (32 - shift);
  t.edges.assign(bins, std::numeric_limits<int32_t>::max());
  t.results.resize(2 * bins);
  size_t next = 1;
  for (size_t bin = 0; bin < bins; ++bin) {
    t.results[2 * bin] = t.results[2 * bin + 1] = pieces[next - 1].result;
    if (next == pieces.size() || bin_of(pieces[next]) != static_cast<int64_t>(bin)) continue;
    t.edges[bin] = static_cast<int32_t>(pieces[next].from);
    t.results[2 * bin + 1] = pieces[next++].result;
  }
  return true;
}

// Edges and results of a search, filled up to `count` of each; gives its steps.
int fill_search(const std::vector<Piece>& pieces, size_t count, std::vector<int32_t>& edges,
                std::vector<uint32_t>& results) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) edges.push_back(static_cast<int32_t>(pieces[i].from));
    results.push_back(pieces[i].result);
  }
  edges.resize(count, std::numeric_limits<int32_t>::max());
  results.resize(count, results.back());
  return std::countr_zero(std::bit_ceil(pieces.size()));
}

// is_short: also tables of a short search, where it is one.
template <class Function>
void fill(const ElementFormat& f, const Function& function, bool is_short, Tables& t) {
  const Pieces all(f, function);
  const std::vector<Piece>& pieces = all.all();
  if (is_short && pieces.size() <= kShortResults)
    t.short_steps = fill_search(pieces, kShortResults, t.short_edges, t.short_results);
  for (int bits = 0; bits <= kMostBits; ++bits) {
    if (fill_bins(pieces, bits, t)) return;
  }
  t.steps = fill_search(pieces, std::bit_ceil(pieces.size()), t.edges, t.results);
}

Tables make_pieces(const ElementFormat& f, const CastPolicy& policy) {
  Tables t;
  fill(f, [&](float x) { return encode(f, static_cast<double>(x), policy); }, true, t);
  for (const uint32_t code : t.results) t.values.push_back(f.decode(code));
  for (const uint32_t code : t.short_results) t.short_values.push_back(f.decode(code));
  return t;
}

// The values in ascending order, -0 before 0.
void add_bounds(const ElementFormat& f, const CastPolicy& policy, Tables& t) {
  if (f.kind == ElementKind::codebook) {
    t.bounds = f.codebook->index.values;
    t.codes = f.codebook->index.codes;
    return;
  }
  for (uint32_t code = 0; code < f.code_count(); ++code) {
    const Exact x = decode_exact(f, code);
    if (x.is_finite() && encode(f, x, policy) == code) t.codes.push_back(code);
  }
  const auto value = [&](uint32_t code) { return decode_exact(f, code).to_double(); };
  std::sort(t.codes.begin(), t.codes.end(), [&](uint32_t a, uint32_t b) {
    return value(a) != value(b) ? value(a) < value(b) : std::signbit(value(a)) > std::signbit(value(b));
  });
  for (const uint32_t code : t.codes) t.bounds.push_back(value(code));
  if (f.has_zero) return;
  // Powers of two without a zero: what becomes of the next one on either side.
  const double least = t.bounds.front(), most = t.bounds.back();
  t.bounds.insert(t.bounds.begin(), least / 2);
  t.codes.insert(t.codes.begin(), encode(f, least / 2, policy));
  t.bounds.push_back(2 * most);
  t.codes.push_back(encode(f, 2 * most, policy));
}

Tables make_neighbours(const ElementFormat& f, const CastPolicy& policy) {
  Tables t;
  add_bounds(f, policy, t);
  const auto count = static_cast<uint32_t>(t.bounds.size());
  t.bounds.push_back(t.bounds.back());
  t.codes.push_back(t.codes.back());
  t.bounds.insert(t.bounds.end(), {std::nan(""), 0.0});  // the last is read beside NaN
  t.codes.push_back(encode(f, std::nan(""), policy));
  const uint32_t no_number = count + 1;
  // An infinity is the end of the range or no number.
  const uint32_t above_all = encode(f, HUGE_VAL, policy) == t.codes[count - 1] ? count - 1 : no_number;
  const uint32_t below_all = encode(f, -HUGE_VAL, policy) == t.codes[0] ? 0 : no_number;
  std::vector<float> least;
  for (uint32_t i = 0; i < count; ++i) least.push_back(float_from(t.bounds[i]));
  // A float has both zeros, a list one that stands for both.
  const bool by_key = f.kind == ElementKind::floating;
  // A float without a zero is unsigned.
  const bool positive = f.kind == ElementKind::floating && !f.has_zero;
  const uint32_t below_zero = encode(f, -1.0, policy) == t.codes[0] ? 0 : no_number;
  const auto entry = [&](float x) -> uint32_t {
    if (std::isinf(x)) return x > 0 ? above_all : below_all;
    if (std::isnan(x)) return no_number;
    if (positive && x < 0) return below_zero;
    const auto above = std::upper_bound(least.begin(), least.end(), x,
                                        [&](float a, float b) { return by_key ? key_of(a) < key_of(b) : a < b; });
    return above == least.begin() ? 0 : static_cast<uint32_t>(above - least.begin()) - 1;
  };
  fill(f, entry, false, t);
  for (const uint32_t code : t.codes) t.values.push_back(f.decode(code));
  return t;
}

// Tables are kept, as making one takes longer than casting a short array.
std::shared_ptr<const Tables> tables_of(const ElementFormat& f, const CastPolicy& policy) {
  thread_local Recent<std::shared_ptr<const Tables>, ElementFormat, CastPolicy> recent;
  const auto make = [&] {
    return std::make_shared<const Tables>(is_stochastic(policy.rounding) ? make_neighbours(f, policy)
                                                                         : make_pieces(f, policy));
  };
  return recent.find(make, f, policy);
}

Lookup lookup_of(const Tables& t) {
  const int32_t* short_edges = t.short_edges.empty() ? nullptr : t.short_edges.data();
  return {t.edges.data(), t.results.data(), t.shift, t.steps, short_edges, t.short_results.data(), t.short_steps};
}

}  // namespace

bool has_table(const ElementFormat& f, const CastPolicy& policy) {
  return f.bits <= 8 && !is_stochastic(policy.rounding);
}

Held<TableCast> table_plan(const ElementFormat& f, const CastPolicy& policy) {
  const auto t = tables_of(f, policy);
  const Lookup codes = lookup_of(*t);
  Lookup values = codes;
  values.results = reinterpret_cast<const uint32_t*>(t->values.data());
  values.short_results = reinterpret_cast<const uint32_t*>(t->short_values.data());
  return {{codes, values}, t};
}

// What lies beyond the range of a float with a zero must become the end of it.
bool has_neighbours(const ElementFormat& f, const CastPolicy& policy) {
  if (f.bits > 8 || !is_stochastic(policy.rounding)) return false;
  if (f.kind == ElementKind::codebook) return true;
  const bool bounded = policy.saturation == Saturation::finite || !f.has_zero;
  return f.kind == ElementKind::floating && bounded && exact_in_float(f);
}

Held<NeighbourCast> neighbour_plan(const ElementFormat& f, const CastPolicy& policy, uint64_t seed) {
  const auto t = tables_of(f, policy);
  NeighbourCast p = {};
  p.below = lookup_of(*t);
  p.bounds = t->bounds.data();
  p.codes = t->codes.data();
  p.values = t->values.data();
  p.quotient = f.kind == ElementKind::codebook;
  p.chance = chance_of(policy, seed);
  return {p, t};
}

}  // namespace lowbit::formats
