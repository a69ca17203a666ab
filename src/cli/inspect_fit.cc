#include "cli/inspect_fit.h"

#include <fmt/format.h>

#include <map>

#include "base/memory.h"
#include "cli/reply.h"
#include "cost/fit.h"
#include "cost/known_limits.h"
#include "io/hub.h"

namespace lowbit::cli {
namespace {

// Parameters in lowbit's layout, in which they run.
struct Stored {
  std::map<std::string, uint64_t> bytes;
  std::map<std::string, std::vector<formats::Format>> formats;
  uint64_t total = 0;
};

Result<Stored> stored_in(const io::ModelFile& file) {
  Stored stored;
  for (const io::TensorInfo& tensor : file.tensors()) {
    const int64_t cols = tensor.shape.empty() ? 1 : tensor.shape.back();
    uint64_t& bytes = stored.bytes[tensor.name];
    for (const io::TensorInfo::Part& part : tensor.parts) {
      LOWBIT_ASSIGN(const auto layout, tensor::PackedLayout::of(part.format, part.rows, cols));
      bytes += layout.total_bytes;
      stored.formats[tensor.name].push_back(part.format);
    }
    stored.total += bytes;
  }
  return stored;
}

// An empty name where there is no cache folder: then nothing is kept.
std::string limits_folder() {
  const auto folder = io::cache_folder();
  return folder.ok() ? *folder : std::string();
}

}  // namespace

void FitArguments::add_to(Options& options) {
  options.flag("--fits", asked, "the memory that it needs, whether that is free, and the speed to expect");
  options.option("--ctx", "N", integer(context, 1, std::numeric_limits<int32_t>::max()),
                 "of --fits: tokens in the cache (4096, or what the model was trained for)");
  options.option("--kv", "FORMAT", castable_format(kv), "of --fits: format of the cache (f16)").offer =
      Offer::formats;
  options.option(
      "--threads", "T",
      [this](const std::string& value) -> Status {
        threads.emplace();
        return integer(*threads, 0, 256)(value);
      },
      "of --fits: threads, at most 256; 0: all processors (0)");
  options.check([this]() -> Status {
    if (!asked && (context > 0 || kv || threads)) return errorf("--ctx, --kv and --threads go with --fits");
    return {};
  });
}

Result<Json> fit_json(const FitArguments& a, const io::ModelFile& file, const models::Model* model,
                      ProgressBar& bar) {
  LOWBIT_ASSIGN(const Stored stored, stored_in(file));
  const uint64_t available = available_memory();
  Json json = {{"weight_bytes", stored.total}, {"available_bytes", available}};
  uint64_t needed = stored.total;
  if (model != nullptr) {
    LOWBIT_ASSIGN(const int64_t context, context_length(a.context, 0, -1, model->context));
    ThreadPool pool(static_cast<int>(a.threads.value_or(0)));
    auto known = cost::known_limits(active_isa(), pool, limits_folder(), {}, bar.callback());
    bar.clear();
    LOWBIT_ASSIGN(const cost::MachineLimits limits, std::move(known));
    graph::NumericPolicy policy = graph::NumericPolicy::standard();
    if (a.kv) policy.kv = *a.kv;
    policy.kv_hadamard = graph::KvHadamard::usual(policy.kv);
    const cost::StoredParameters parameters = {
        [&](const std::string& name) { return static_cast<double>(stored.bytes.at(name)); },
        [&](const std::string& name) { return stored.formats.at(name); }};
    const cost::Fit fit = cost::fit_of(*model, parameters, policy, context, limits);
    const cost::Fit usual = cost::fit_of(*model, parameters, policy, 1024, limits);
    needed += fit.cache_bytes + fit.scratch_bytes;
    json["context"] = context;
    json["kv"] = formats::print(policy.kv);
    json["cache_bytes"] = fit.cache_bytes;
    json["cache_bytes_per_1024_tokens"] = usual.cache_bytes;
    json["scratch_bytes"] = fit.scratch_bytes;
    if (!model->encoder) json["decode_tokens_per_s"] = fit.decode_tokens_per_s;
    json["prefill_tokens_per_s"] = fit.prefill_tokens_per_s;
    json["decode_share"] = cost::kDecodeShare;
    json["prefill_share"] = cost::kPrefillShare;
    json["machine"] = {{"isa", isa_name(limits.isa)},
                       {"threads", limits.threads},
                       {"cpu", limits.processor},
                       {"read_bytes_per_s", limits.read_bytes_per_s},
                       {"int8_ops_per_s", limits.int8_ops_per_s}};
  }
  json["needed_bytes"] = needed;
  json["fits"] = needed <= available;
  return json;
}

std::vector<std::vector<std::string>> fit_rows(const Json& fit) {
  const auto mega = [&](const char* key) { return fmt::format("{:.1f} MB", fit.at(key).get<double>() / 1e6); };
  const auto number = [](const Json& from, const char* key) { return from.at(key).get<double>(); };
  std::vector<std::vector<std::string>> rows = {{"weights", mega("weight_bytes") + " in memory"}};
  if (fit.contains("cache_bytes")) {
    rows.push_back({"cache", fmt::format("{} for {} tokens of context ({}); {} for every 1024", mega("cache_bytes"),
                                         fit.at("context").get<int64_t>(), fit.at("kv").get<std::string>(),
                                         mega("cache_bytes_per_1024_tokens"))});
    rows.push_back({"scratch", "about " + mega("scratch_bytes")});
  }
  rows.push_back({"fits", fmt::format("{}: {} needed, {} free", fit.at("fits").get<bool>() ? "yes" : "no",
                                      mega("needed_bytes"), mega("available_bytes"))});
  if (!fit.contains("machine")) return rows;
  const Json& machine = fit.at("machine");
  if (fit.contains("decode_tokens_per_s")) {
    rows.push_back(
        {"decode",
         fmt::format("about {:.1f} tokens/s, reckoned with {:.0f} % of the {:.1f} GB/s that this machine reads",
                     number(fit, "decode_tokens_per_s"), 100 * number(fit, "decode_share"),
                     number(machine, "read_bytes_per_s") / 1e9)});
  }
  rows.push_back(
      {"prefill",
       fmt::format("about {:.0f} tokens/s, reckoned with {:.0f} % of its {:.0f} GOP/s of int8 ({} threads)",
                   number(fit, "prefill_tokens_per_s"), 100 * number(fit, "prefill_share"),
                   number(machine, "int8_ops_per_s") / 1e9, machine.at("threads").get<int>())});
  return rows;
}

}  // namespace lowbit::cli
