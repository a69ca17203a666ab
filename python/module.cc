// Bindings of the formats room: strings and flat arrays in, flat arrays out. Shapes, dtypes and defaults are the
// Python side's work (lowbit/__init__.py).
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>

#include "arith/operations.h"
#include "formats/array.h"
#include "formats/block.h"
#include "formats/exact.h"
#include "formats/families.h"

namespace nb = nanobind;

namespace lowbit {
namespace {

template <class T>
T checked(Result<T> result) {
  if (!result.ok()) throw nb::value_error(result.message().c_str());
  return std::move(result).value();
}
void checked(const Status& status) {
  if (!status.ok()) throw nb::value_error(status.message().c_str());
}

template <class T>
using Flat = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<T> span_of(const Flat<T>& array) {
  return {array.data(), array.size()};
}

// The options of one call, and the threads it runs on.
struct Call {
  formats::ArrayOptions options;
  std::unique_ptr<ThreadPool> pool;

  Call(std::string_view round, std::string_view saturate, uint64_t seed, int threads) {
    options.policy = checked(formats::parse_policy(round, saturate));
    options.seed = seed;
    if (threads != 1) {
      pool = std::make_unique<ThreadPool>(threads);
      options.pool = pool.get();
    }
  }
};

void cast(std::string_view format, const Flat<const float>& in, const Flat<float>& out, std::string_view round,
          std::string_view saturate, uint64_t seed, int threads) {
  const formats::ElementFormat element = checked(formats::parse_element(format));
  Call call(round, saturate, seed, threads);
  nb::gil_scoped_release release;
  formats::cast_array(element, span_of(in), span_of(out), call.options);
}

std::vector<uint32_t> codes_of(const formats::ElementFormat& element, const Flat<const double>& in,
                               const Call& call) {
  std::vector<uint32_t> codes(in.size());
  formats::encode_array(element, span_of(in), std::span(codes), call.options);
  return codes;
}

// Doubles are rounded once, straight to the format.
void cast_double(std::string_view format, const Flat<const double>& in, const Flat<double>& out,
                 std::string_view round, std::string_view saturate, uint64_t seed) {
  const formats::ElementFormat element = checked(formats::parse_element(format));
  const std::vector<uint32_t> codes = codes_of(element, in, Call(round, saturate, seed, 1));
  for (size_t i = 0; i < codes.size(); ++i) out.data()[i] = formats::decode_exact(element, codes[i]).to_double();
}

template <class Code>
void encode(std::string_view format, const Flat<const float>& in, const Flat<Code>& out, std::string_view round,
            std::string_view saturate, uint64_t seed, int threads) {
  const formats::ElementFormat element = checked(formats::parse_element(format));
  if (element.bits > 8 * sizeof(Code)) throw nb::value_error("codes of this format need a wider type");
  Call call(round, saturate, seed, threads);
  nb::gil_scoped_release release;
  formats::encode_array(element, span_of(in), span_of(out), call.options);
}

template <class Code>
void encode_double(std::string_view format, const Flat<const double>& in, const Flat<Code>& out,
                   std::string_view round, std::string_view saturate, uint64_t seed) {
  const formats::ElementFormat element = checked(formats::parse_element(format));
  if (element.bits > 8 * sizeof(Code)) throw nb::value_error("codes of this format need a wider type");
  const std::vector<uint32_t> codes = codes_of(element, in, Call(round, saturate, seed, 1));
  for (size_t i = 0; i < codes.size(); ++i) out.data()[i] = static_cast<Code>(codes[i]);
}

template <class Code>
void decode(std::string_view format, const Flat<const Code>& in, const Flat<float>& out, int threads) {
  const formats::ElementFormat element = checked(formats::parse_element(format));
  if (element.bits < 8 * sizeof(Code)) {
    for (size_t i = 0; i < in.size(); ++i) {
      if (in.data()[i] >= element.code_count()) throw nb::value_error("found a code with bits beyond the format's");
    }
  } else if (element.bits > 8 * sizeof(Code)) {
    throw nb::value_error("codes of this format need a wider type");
  }
  Call call("rne", "finite", 0, threads);
  nb::gil_scoped_release release;
  formats::decode_array(element, span_of(in), span_of(out), call.options);
}

// The axis counts from the end, as Python does where it is negative.
void cast_blocks(std::string_view format, const Flat<const float>& in, const std::vector<int64_t>& shape, int axis,
                 const Flat<float>& out, std::string_view rule, double threshold, std::string_view round,
                 std::string_view saturate, uint64_t seed, int threads) {
  const formats::Format parsed = checked(formats::parse_format(format));
  formats::BlockOptions options;
  options.rule = checked(formats::parse_scale_rule(rule));
  options.threshold = threshold;
  checked(formats::check_block_format(parsed, options));
  if (in.size() == 0) return;
  Call call(round, saturate, seed, threads);
  options.array = call.options;
  nb::gil_scoped_release release;
  formats::cast_blocks_along(parsed, span_of(in), shape, axis, span_of(out), options);
}

const arith::OperationRow& operation_row(std::string_view name) {
  const auto rows = arith::operations();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.name == name; });
  if (row != rows.end()) return *row;
  std::string known;
  for (const arith::OperationRow& r : rows) known += (known.empty() ? "" : ", ") + std::string(r.name);
  throw nb::value_error(("operation: found \"" + std::string(name) + "\", expected one of " + known).c_str());
}

// Operands and results are codes of one format; the random bits of result i are those of element i of an array.
void apply(std::string_view operation, std::string_view format, const std::vector<Flat<const uint32_t>>& operands,
           const Flat<uint32_t>& out, std::string_view round, std::string_view saturate, uint64_t seed) {
  const formats::ElementFormat element = checked(formats::parse_element(format));
  const formats::CastPolicy policy = checked(formats::parse_policy(round, saturate));
  const arith::OperationRow& row = operation_row(operation);
  const auto op = static_cast<arith::Operation>(&row - arith::operations().data());
  if (operands.size() != static_cast<size_t>(row.operands)) {
    throw nb::value_error((std::string(row.name) + ": found " + std::to_string(operands.size()) +
                           " operands, expected " + std::to_string(row.operands))
                              .c_str());
  }
  for (const auto& codes : operands) {
    for (const uint32_t code : span_of(codes)) {
      if (element.bits < 32 && code >= element.code_count()) {
        throw nb::value_error("found a code with bits beyond the format's");
      }
    }
  }
  nb::gil_scoped_release release;
  std::vector<arith::Operand> one(operands.size(), {element, 0});
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t k = 0; k < one.size(); ++k) one[k].code = operands[k].data()[i];
    const uint32_t random = is_stochastic(policy.rounding) ? formats::random_word(seed, i) : 0;
    out.data()[i] = arith::apply(op, one, element, policy, random);
  }
}

bool is_element(std::string_view format) { return formats::parse_element(format).ok(); }

nb::dict info(std::string_view format) {
  const formats::ElementFormat f = checked(formats::parse_element(format));
  nb::dict out;
  const auto value = [&](uint32_t code) { return formats::decode_exact(f, code).to_double(); };
  const uint32_t nan = formats::encode(f, std::nan(""), {formats::Rounding::nearest_even, formats::Saturation::none});
  out["name"] = formats::print(f);
  out["bits"] = static_cast<int>(f.bits);
  out["max"] = value(f.max_code());
  out["min"] = value(f.min_code());
  out["has_nan"] = formats::decode_exact(f, nan).is_nan();
  out["has_infinity"] = f.kind == formats::ElementKind::floating && f.has_infinity;
  out["exact_in_float32"] = formats::exact_in_float(f);
  return out;
}

nb::list names() {
  nb::list out;
  for (const formats::ElementRow& row : formats::named_elements()) {
    out.append(nb::make_tuple(std::string(row.name), "element", std::string(row.source)));
  }
  for (const formats::Family& row : formats::families()) {
    out.append(nb::make_tuple(std::string(row.shape), "family", std::string(row.source)));
  }
  for (const formats::Alias& row : formats::aliases()) {
    out.append(nb::make_tuple(std::string(row.name), std::string(row.meaning), std::string(row.source)));
  }
  return out;
}

}  // namespace
}  // namespace lowbit

NB_MODULE(_lowbit, m) {
  using namespace lowbit;
  m.def("cast", &cast);
  m.def("cast_double", &cast_double);
  m.def("encode", &encode<uint8_t>);
  m.def("encode", &encode<uint16_t>);
  m.def("encode", &encode<uint32_t>);
  m.def("encode_double", &encode_double<uint8_t>);
  m.def("encode_double", &encode_double<uint16_t>);
  m.def("encode_double", &encode_double<uint32_t>);
  m.def("decode", &decode<uint8_t>);
  m.def("decode", &decode<uint16_t>);
  m.def("decode", &decode<uint32_t>);
  m.def("cast_blocks", &cast_blocks);
  m.def("apply", &apply);
  m.def("is_element", &is_element);
  m.def("info", &info);
  m.def("names", &names);
}
