// Where a backward pass starts: the gradient of some loss with respect to the logits.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/cpu.h"
#include "models/model.h"

namespace lowbit::grad {

// Fills dlogits with d loss / d logits; logits and dlogits are [tokens][vocabulary], row t follows tokens[t].
// dlogits holds zeros at the call.
using LossGradient = std::function<void(std::span<const float> logits, std::span<const int32_t> tokens,
                                        int64_t vocabulary, std::span<float> dlogits)>;

// At each position p - onehot(y), p = softmax(logits), y drawn from p by philox(seed, stream, position): the gradient
// of the negative log-likelihood of outcomes that the model itself draws, summed over positions. With g the gradient
// at some value and dy a small change of it, E[(sum over positions of g . dy)^2] / 2 is the sum over positions of
// KL(before || after) to second order: the second moments of g are the Fisher information of the output distribution
// (Martens, JMLR 2020, section 5). Give each sequence a stream of its own.
LossGradient sampled_fisher(uint64_t seed, uint64_t stream = 0, Isa isa = active_isa());

// For an encoder, whose logits are hidden states. With u the pooled vector of the sequence brought to length 1 and z
// random signs drawn by philox(seed, stream, i): the gradient of u . z, times the root of the number of tokens. Then
// E[(sum over positions of g . dy)^2] / 2 is |du|^2 / 2 = 1 - cosine(before, after) to second order (Hutchinson's
// estimate of J^T J; also the Fisher information of a normal law of unit variance around u), times the number of
// tokens: so that a mean over positions is the loss of the sequence.
LossGradient sampled_direction(models::Pooling pooling, uint64_t seed, uint64_t stream = 0);

// Cross entropy in nats of each next token of the sequence, summed (no mean): p - onehot(next token) at every
// position but the last, which has no next token and gets 0.
LossGradient cross_entropy(Isa isa = active_isa());

}  // namespace lowbit::grad
