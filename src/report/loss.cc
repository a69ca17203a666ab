// What the results call loss.
#include <algorithm>

#include "report/sections.h"

namespace lowbit::report {

Loss loss_of(const Json& results) {
  const Json& measured = member(results, "measured");
  const bool predicts_cosine = results.is_object() && results.contains("predicted_cosine_loss");
  if (const auto cosine = number(measured, "cosine_mean"); cosine || predicts_cosine) {
    Loss loss{"cosine loss", "Cosine loss, 1 - cosine", "of the sentence vectors; 0 is no change",
              "Cosine loss, 1 - cosine of the sentence vectors"};
    loss.predicted = number(results, "predicted_cosine_loss");
    if (cosine) loss.measured = std::max(0.0, 1.0 - *cosine);  // a cosine may round to more than 1
    if (const auto least = number(measured, "cosine_min")) loss.most = std::max(0.0, 1.0 - *least);
    return loss;
  }
  Loss loss{"KL", "KL, nats per token", "0 is no change", "KL divergence, nats per token"};
  loss.predicted = number(results, "predicted_kl");
  loss.measured = number(measured, "kl_mean");
  loss.most = number(measured, "kl_max");
  return loss;
}

}  // namespace lowbit::report
