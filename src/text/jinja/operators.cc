#include <fmt/format.h>
#include <fmt/printf.h>

#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/markup.h"
#include "text/jinja/written_formats.h"

namespace lowbit::text::jinja {
namespace {

[[noreturn]] void overflow() { fail("a number does not fit 64 bits"); }

Value divide(int64_t a, int64_t b, bool remainder) {
  if (b == 0) fail("division by zero");
  if (a == INT64_MIN && b == -1) return remainder ? Value::of(int64_t{0}) : (overflow(), Value());
  int64_t quotient = a / b, rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) {
    --quotient;
    rest += b;
  }
  return Value::of(remainder ? rest : quotient);
}

Value divide(double a, double b, bool remainder) {
  if (b == 0) fail("division by zero");
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) {
    rest += b;
    quotient -= 1;
  }
  return Value::of(remainder ? (rest == 0 ? std::copysign(0.0, b) : rest) : std::floor(quotient + 0.5));
}

Value power(const Value& a, const Value& b) {
  if (!a.is_integral() || !b.is_integral() || b.as_integer() < 0) {
    if (a.as_real() == 0 && b.as_real() < 0) fail("division by zero");
    if (a.as_real() < 0 && b.as_real() != std::floor(b.as_real())) fail("a power of a negative number is not real");
    return Value::of(std::pow(a.as_real(), b.as_real()));
  }
  int64_t out = 1, base = a.as_integer();
  for (int64_t left = b.as_integer(); left > 0; left >>= 1) {
    if ((left & 1) != 0 && __builtin_mul_overflow(out, base, &out)) overflow();
    if (left > 1 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return Value::of(out);
}

Value integer_arithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t out = 0;
  if (op == "+"   ? __builtin_add_overflow(a, b, &out)
      : op == "-" ? __builtin_sub_overflow(a, b, &out)
                  : op == "*" && __builtin_mul_overflow(a, b, &out)) {
    overflow();
  }
  if (op == "+" || op == "-" || op == "*") return Value::of(out);
  if (op == "/") {
    if (b == 0) fail("division by zero");
    return Value::of(static_cast<double>(a) / static_cast<double>(b));
  }
  return divide(a, b, op == "%");
}

Value real_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value::of(a + b);
  if (op == "-") return Value::of(a - b);
  if (op == "*") return Value::of(a * b);
  if (op != "/") return divide(a, b, op == "%");
  if (b == 0) fail("division by zero");
  return Value::of(a / b);
}

Value repeat(Heap& heap, const Value& value, int64_t count) {
  const auto times = static_cast<uint64_t>(std::max<int64_t>(count, 0));
  const uint64_t size = value.is_string() ? value.string->size() : value.list->size() * sizeof(Value);
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(size, times, &bytes)) fail("the template takes too much memory");
  heap.room(bytes);
  if (value.is_string()) {
    std::string out;
    for (uint64_t i = 0; i < times && size > 0; ++i) out += *value.string;
    Value text = heap.string(std::move(out));
    text.markup = value.markup;
    return text;
  }
  List out;
  for (uint64_t i = 0; i < times && size > 0; ++i) out.insert(out.end(), value.list->begin(), value.list->end());
  return value.is(Kind::tuple) ? heap.tuple(std::move(out)) : heap.list(std::move(out));
}

Value join_lists(Heap& heap, const Value& a, const Value& b) {
  heap.step((a.list->size() + b.list->size()) / 8);
  heap.room((a.list->size() + b.list->size()) * sizeof(Value));
  List out = *a.list;
  out.insert(out.end(), b.list->begin(), b.list->end());
  return a.is(Kind::tuple) ? heap.tuple(std::move(out)) : heap.list(std::move(out));
}

// What stands between "%" and the kind of a conversion.
struct Spec {
  std::string flags, size;  // size: width and precision
};

// Reads it from format[i] on, and leaves i at the kind.
Spec read_spec(std::string_view format, size_t& i) {
  const auto run = [&](std::string_view of) {
    const size_t begin = i;
    while (i < format.size() && of.find(format[i]) != std::string_view::npos) ++i;
    return std::string(format.substr(begin, i - begin));
  };
  constexpr std::string_view kDigits = "0123456789";
  Spec spec{run("+- #0"), run(kDigits)};
  if (i < format.size() && format[i] == '.') {
    ++i;
    spec.size += "." + run(kDigits);
  }
  if (i >= format.size() || spec.flags.size() > 6 || spec.size.size() > 6) fail("a format is broken");
  return spec;
}

// One conversion of "%" formatting.
std::string convert(Heap& heap, const Spec& spec, char kind, const Value& value) {
  const std::string format = "%" + spec.flags + spec.size;
  if (kind == 's' || kind == 'r' || kind == 'a') {
    std::string text;
    kind == 's' ? print(heap, text, value) : print_repr(heap, text, value);
    const bool left = spec.flags.find('-') != std::string::npos;  // the other flags are for numbers
    return spec.size.empty() ? text : fmt::sprintf((left ? "%-" : "%") + spec.size + "s", text);
  }
  if (kind == 'c' && value.is_string()) return *value.string;
  if (!value.is_number()) fail(fmt::format("\"%{}\" takes a number, not {}", kind, type_name(value)));
  const bool whole = std::string_view("diuxXo").find(kind) != std::string_view::npos;
  if (!whole) {
    if (std::string_view("eEfFgG").find(kind) == std::string_view::npos)
      fail("a format has a conversion not known here");
    return fmt::sprintf(format + kind, value.as_real());
  }
  if (value.is(Kind::real) && !(std::abs(value.real) < 9e18)) overflow();
  const bool zeros = spec.flags.find('0') != std::string::npos && spec.size.find('.') != std::string::npos;
  if (zeros || (kind == 'o' && spec.flags.find('#') != std::string::npos)) fail("a format is not known here");
  const int64_t number = value.is(Kind::real) ? static_cast<int64_t>(value.real) : value.as_integer();
  return fmt::sprintf(format + (kind == 'i' || kind == 'u' ? 'd' : kind), number);
}

}  // namespace

Value percent_format(Heap& heap, const std::string& format, const Value& values) {
  std::string out;
  size_t used = 0;
  const auto next = [&]() -> Value {
    if (!values.is(Kind::tuple)) return used++ == 0 ? values : (fail("a format has too few values"), Value());
    if (used >= values.list->size()) fail("a format has too few values");
    return (*values.list)[used++];
  };
  for (size_t i = 0; i < format.size(); ++i) {
    heap.room(out.size());
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const Value* named = nullptr;
    if (++i < format.size() && format[i] == '(') {
      const size_t end = format.find(')', i);
      if (end == std::string::npos || !values.is(Kind::dict)) fail("a format names a value and gets no dict");
      named = find(*values.dict, std::string_view(format).substr(i + 1, end - i - 1));
      if (named == nullptr) fail("a format names a value that is not there");
      i = end + 1;
    }
    const Spec spec = read_spec(format, i);
    if (format[i] == '%') {
      if (!spec.flags.empty() || !spec.size.empty()) fail("a format is broken");
      out += '%';
      continue;
    }
    out += convert(heap, spec, format[i], named != nullptr ? *named : next());
  }
  const bool all = values.is(Kind::tuple) ? used == values.list->size() : values.is(Kind::dict) || used == 1;
  if (!all) fail("a format has too many values");
  return heap.string(std::move(out));
}

Value add_strings(Heap& heap, const Value& a, const Value& b) {
  heap.room(a.string->size() + b.string->size());
  if (!a.markup && !b.markup) return heap.string(*a.string + *b.string);
  Value out = heap.string(escaped(a) + escaped(b));
  out.markup = true;
  return out;
}

Value Interpreter::arithmetic(std::string_view op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (op == "**") return power(a, b);
    if (a.is_integral() && b.is_integral()) return integer_arithmetic(op, a.as_integer(), b.as_integer());
    return real_arithmetic(op, a.as_real(), b.as_real());
  }
  if (op == "+" && a.is_string() && b.is_string()) return add_strings(heap, a, b);
  if (op == "+" && a.is_sequence() && a.kind == b.kind) return join_lists(heap, a, b);
  if (op == "*" && (a.is_string() || a.is_sequence()) && b.is_integral()) return repeat(heap, a, b.as_integer());
  if (op == "*" && (b.is_string() || b.is_sequence()) && a.is_integral()) return repeat(heap, b, a.as_integer());
  if (op == "%" && a.is_string()) return percent_format(heap, *a.string, b);
  for (const Value* value : {&a, &b}) {
    if (value->is(Kind::undefined) && value->string != nullptr)
      fail(fmt::format("\"{}\" is undefined", *value->string));
  }
  fail(fmt::format("\"{}\" does not take {} and {}", op, type_name(a), type_name(b)));
}

}  // namespace lowbit::text::jinja
