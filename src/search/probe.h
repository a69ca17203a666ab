// Probes: what rounding all parameters of one kind really does to the output distribution, against what was
// predicted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "models/open.h"
#include "quant/quantize.h"
#include "search/sensitivity.h"

namespace lowbit::search {

// Of a kind, and of a parameter that is probed for itself, whose errors may add up over the positions of a text.
constexpr double kMostCorrection = 8.0, kMostCorrectionEach = 256.0;

struct Probe {
  double measured = 0.0, predicted = 0.0;  // nats per token; of an encoder 1 - cosine per text
  // Factor on predictions, held within [1/most, most].
  double correction(double most) const;
};

struct ProbeInput {
  const models::OpenedModel* opened = nullptr;
  std::function<Result<const tensor::Weights*>()> weights;  // asked for only where something is measured
  const quant::WorkFolder* work = nullptr;                  // with calibration
  SensitivityOptions options;
  formats::Format format;                    // what everything of a kind is rounded to
  std::vector<std::vector<int32_t>> chunks;  // held out of calibration
  std::shared_ptr<ThreadPool> pool;
  Isa isa = Isa::portable;
};

// One probe per kind of the given parameters. What the work folder has already (of the same parameters, format and
// method) is read from there.
Result<std::map<std::string, Probe>> probe_kinds(const ProbeInput& input, const std::vector<std::string>& parameters,
                                                 const ProgressFn& progress = {});

}  // namespace lowbit::search
