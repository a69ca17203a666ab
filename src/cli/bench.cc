// lowbit bench MODEL | --shape NAME | kernels | formats
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "cli/bench_arguments.h"
#include "cli/command.h"
#include "cost/shapes.h"

namespace lowbit::cli {
namespace {

// What can be measured beside models, and which options of its own each takes.
struct Work {
  std::string_view name;
  Status (*run)(const BenchArguments& a);
  int64_t threads;  // as many as usual; 0: all
  bool many_isas;   // takes several at once
  const char* own;  // options for this work alone
  bool (*own_given)(const BenchArguments& a);
};

bool given_for_models(const BenchArguments& a) {
  return a.prefill || a.context || a.policy.kv || a.policy.kv_hadamard || a.policy.integer_attention ||
         a.policy.fast || a.head || !a.shape.empty();
}
bool given_for_formats(const BenchArguments& a) { return a.memory || !a.rounds.empty(); }

constexpr const char* kOfModels =
    "--prefill, --context, --kv, --kv-hadamard, --attention, --fast, --head and --shape";
constexpr Work kWorks[] = {
    {"formats", bench_formats, 1, true, "--round and --memory", given_for_formats},
    {"kernels", bench_kernels, 0, false, "--matrix", [](const BenchArguments& a) { return !a.matrices.empty(); }},
    {"", bench_model, 0, false, kOfModels, given_for_models},  // a model
};

const Work& work_of(const BenchArguments& a) {
  for (const Work& work : kWorks) {
    if (work.name == a.what || work.name.empty()) return work;
  }
  return kWorks[0];
}

// "32,128,512", or "none".
Setter integers(std::optional<std::vector<int64_t>>& target, int64_t least, int64_t most) {
  return [&target, least, most](const std::string& value) -> Status {
    target.emplace();
    if (value == "none") return {};
    const char* at = value.data();
    const char* end = at + value.size();
    while (true) {
      int64_t number = 0;
      const auto [stop, error] = std::from_chars(at, end, number);
      if (error != std::errc() || number < least || number > most || (stop != end && *stop != ',')) {
        return errorf("found \"{}\", expected numbers from {} to {} with commas between them, or none", value, least,
                      most);
      }
      target->push_back(number);
      if (stop == end) return {};
      at = stop + 1;
    }
  };
}

Setter cold(BenchArguments& a) {
  return [&a](const std::string& value) -> Status {
    int64_t megabytes = 0;
    if (value != "off") LOWBIT_TRY(integer(megabytes, 0, 1 << 20)(value));
    a.cold = static_cast<uint64_t>(megabytes) * 1'000'000;
    return {};
  };
}

Setter threads(BenchArguments& a) {
  return [&a](const std::string& value) -> Status {
    a.threads.emplace();
    return integer(*a.threads, 0, 256)(value);
  };
}

// "4096x2048".
Setter matrices(BenchArguments& a) {
  return [&a](const std::string& value) -> Status {
    const size_t x = std::min(value.find('x'), value.size());
    cost::Matrix matrix;
    LOWBIT_TRY(integer(matrix.rows, 1, 1 << 20)(value.substr(0, x)));
    LOWBIT_TRY(integer(matrix.cols, 1, 1 << 20)(value.substr(std::min(x + 1, value.size()))));
    a.matrices.push_back(matrix);
    return {};
  };
}

Status check_works(const BenchArguments& a, const Work& chosen) {
  for (const Work& work : kWorks) {
    if (&work == &chosen || !work.own_given(a)) continue;
    return errorf("bench: {} go with {}", work.own, work.name.empty() ? "a model or a shape" : work.name);
  }
  if (chosen.run == bench_model) {
    if (a.what.empty() == a.shape.empty()) {
      return errorf("bench: expected one of MODEL, formats, kernels and --shape NAME");
    }
    if (a.shape.empty() && !a.format_names.empty())
      return errorf("bench: a model has its formats; --format goes with --shape");
    if (a.shape.empty() && a.head) return errorf("bench: --head goes with --shape");
    if (!a.shape.empty()) {
      LOWBIT_ASSIGN(const cost::Shape* shape, cost::find_shape(a.shape));
      (void)shape;
    }
  }
  if (chosen.run == bench_formats && (a.batch || a.cold || a.policy.activations)) {
    return errorf("bench: --batch, --cold and --activations go with a model, a shape or kernels");
  }
  if (!chosen.many_isas && a.isas.size() > 1) return errorf("bench: one --isa at a time, but for formats");
  return {};
}

Status check(BenchArguments& a) {
  const Work& work = work_of(a);
  LOWBIT_TRY(check_works(a, work));
  for (const std::string& name : a.isas) {
    LOWBIT_ASSIGN(a.isa, offered_isa("--isa", name));
  }
  std::optional<formats::Format> format;
  for (const std::string& name : a.format_names) {
    const Status set = (work.many_isas ? any_format(format) : cli::format(format))(name);
    if (!set.ok()) return errorf("--format: {}", set.message());
    a.formats.push_back(*format);
  }
  if (work.run == bench_formats) {
    for (const std::string& round : a.rounds) {
      LOWBIT_ASSIGN(const formats::CastPolicy policy, formats::parse_policy(round, "finite"));
      (void)policy;
    }
  }
  if (!a.threads) a.threads = work.threads;
  return {};
}

}  // namespace

Json limits_json(const cost::MachineLimits& limits) {
  return {{"isa", isa_name(limits.isa)},
          {"threads", limits.threads},
          {"cpu", limits.processor},
          {"read_bytes_per_s", limits.read_bytes_per_s},
          {"int8_ops_per_s", limits.int8_ops_per_s},
          {"tile_ops_per_s", limits.tile_ops_per_s},
          {"bf16_ops_per_s", limits.bf16_ops_per_s},
          {"fp32_ops_per_s", limits.fp32_ops_per_s},
          {"read_bytes", limits.read_bytes},
          {"read_streams", limits.streams},
          {"read_prefetch", limits.prefetch}};
}

std::string limits_text(const cost::MachineLimits& limits) {
  return fmt::format(
      "{}, {}, {} threads; limits measured in this run: {:.1f} GB/s read over {:.2f} GB, {:.0f} GOP/s int8{}, {:.0f} "
      "bf16, {:.0f} fp32",
      limits.processor, isa_name(limits.isa), limits.threads, limits.read_bytes_per_s / 1e9,
      static_cast<double>(limits.read_bytes) / 1e9, limits.int8_ops_per_s / 1e9,
      limits.tile_ops_per_s > 0 ? fmt::format(" ({:.0f} by tiles)", limits.tile_ops_per_s / 1e9) : "",
      limits.bf16_ops_per_s / 1e9, limits.fp32_ops_per_s / 1e9);
}

Action bench_command(Options& options) {
  const auto a = std::make_shared<BenchArguments>();
  OptionRow& what =
      options.positional("WHAT", text(a->what),
                         "a model (as for run): tokens per second of prefill and decode; kernels: matrix products; "
                         "formats: casts, codes, blocks and arithmetic of number formats",
                         false);
  what.offer = Offer::models;
  what.choices = {"kernels", "formats"};
  std::vector<std::string> names;
  for (const cost::Shape& row : cost::shapes()) names.emplace_back(row.name);
  options
      .option("--shape", "NAME", text(a->shape),
              fmt::format("in place of a model: known sizes with random weights; {}", fmt::join(names, ", ")))
      .choices = names;
  OptionRow& formats =
      options.option("--format", "F", append(a->format_names),
                     "a format; may be repeated (--shape: int4/32; kernels and formats: one of each kind)");
  formats.repeated = true;
  formats.offer = Offer::formats;
  options.option("--head", "F", format(a->head), "of --shape: the embedding and the output matrix (as --format)")
      .offer = Offer::formats;
  options.option("--prefill", "N,N", integers(a->prefill, 1, 1 << 20), "prompt lengths (32,128,512), or none");
  options.option("--context", "N,N", integers(a->context, 0, 1 << 20),
                 "tokens in the cache before a decoded one (0,1024,4096), or none");
  options.option("--batch", "N,N", integers(a->batch, 1, 1024),
                 "sequences decoded together (1,4,8), or tokens of a kernel's product (1,2,4,8,16,256)");
  options
      .option("--activations", "FORMAT", castable_format(a->policy.activations),
              "as for run; of kernels (int8/32:f32, or the group of the weights)")
      .offer = Offer::formats;
  a->policy.add_cache_options(options);
  options.option(
      "--cold", "MB", cold(*a),
      "smaller weights are taken from distinct copies of so many MB in turn, so that no cache holds them; the "
      "read rate is measured over as many (1074), or off");
  options
      .option("--matrix", "RxC", matrices(*a),
              "of kernels: rows and columns of a weight; may be repeated (4096x4096)")
      .repeated = true;
  options.option("--round", "R", append(a->rounds), "of formats: a rounding; may be repeated (rne and sr)").repeated =
      true;
  OptionRow& isas = options.option("--isa", "I", append(a->isas),
                                   "an instruction set; of formats may be repeated (the best of this processor)");
  isas.repeated = true;
  isas.choices.assign(isa_names().begin(), isa_names().end());
  options.flag("--memory", a->memory, "of formats: also arrays that no cache holds (2 GB)");
  options.option("--seconds", "S", real(a->seconds, 0.001, 3600),
                 "for each row, about (1; kernels 0.3, formats 0.05)");
  options.option("--threads", "T", threads(*a), "threads, at most 256; 0: all processors (0; of formats 1)");
  options.check([a = a.get()] { return check(*a); });
  add_json_option(options, a->json);
  return [a] { return work_of(*a).run(*a); };
}

}  // namespace lowbit::cli
