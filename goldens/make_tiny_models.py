#!/usr/bin/env python3
"""Tiny models with random weights, one for each architecture, and what PyPI transformers computes with them.

Run by hand:  python3 goldens/make_tiny_models.py  (torch, transformers, gguf; 2.14, 5.24 and 0.19 made these)

Each model is made from a config class of transformers with a fixed seed, run in float64, and written as a GGUF file of
F32 tensors with the names and transformations of llama.cpp's converter. architectures/values.json holds the tokens and, at some
positions, the logits (of encoders the hidden states). hf/<name>/ holds the same model as transformers saves it.
"""

import json
import math
import os
import sys

import gguf
import numpy as np
import torch
import transformers as tf

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "architectures")
VOCABULARY = 64
TOKENS = [(i * i * 7 + 3 * i + 5) % VOCABULARY for i in range(40)]
ROWS = [0, 1, 7, 19, 39]

COMMON = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
              num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
              attn_implementation="eager")


def common(**changes):
    return {**COMMON, **changes}


LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
LONGROPE = dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.75,
                original_max_position_embeddings=64, short_factor=[1.0, 1.1, 1.4], long_factor=[1.0, 3.0, 5.0])

# name: (architecture in GGUF, config class, arguments)
MODELS = {
    "llama": ("llama", tf.LlamaConfig, common(rope_parameters=LLAMA3, tie_word_embeddings=True)),
    "llama-linear": ("llama", tf.LlamaConfig, common(
        attention_bias=True, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "mistral": ("llama", tf.MistralConfig, common(sliding_window=9)),
    "qwen2": ("qwen2", tf.Qwen2Config, common()),
    "qwen3": ("qwen3", tf.Qwen3Config, common(head_dim=16)),
    "gemma2": ("gemma2", tf.Gemma2Config, common(
        hidden_size=24, head_dim=8, num_hidden_layers=3, query_pre_attn_scalar=8, sliding_window=9,
        attn_logit_softcapping=5.0, final_logit_softcapping=8.0)),
    "gemma3": ("gemma3", tf.Gemma3TextConfig, common(
        hidden_size=16, intermediate_size=24, head_dim=8, num_attention_heads=2, num_key_value_heads=1,
        num_hidden_layers=7, query_pre_attn_scalar=8, sliding_window=9,
        rope_parameters={"full_attention": dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=1e4)})),
    "phi3": ("phi3", tf.Phi3Config, common(
        rope_parameters=LONGROPE, original_max_position_embeddings=64, pad_token_id=0)),
    "olmo2": ("olmo2", tf.Olmo2Config, common()),
    "granite": ("granite", tf.GraniteConfig, common(
        embedding_multiplier=6.0, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=3.0)),
    "qwen3moe": ("qwen3moe", tf.Qwen3MoeConfig, common(
        head_dim=8, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=16, norm_topk_prob=True,
        decoder_sparse_step=1, mlp_only_layers=[])),
    "olmoe": ("olmoe", tf.OlmoeConfig, common(
        intermediate_size=16, num_experts=6, num_experts_per_tok=2, norm_topk_prob=False)),
    "bert": ("bert", tf.BertConfig, common(max_position_embeddings=48)),
    "modernbert": ("modern-bert", tf.ModernBertConfig, common(
        hidden_size=24, intermediate_size=32, num_hidden_layers=4, global_attn_every_n_layers=3,
        local_attention=12, pad_token_id=0)),
}


def make_model(name):
    architecture, make_config, arguments = MODELS[name]
    torch.manual_seed(sum(name.encode()))
    arguments = dict(arguments)
    implementation = arguments.pop("attn_implementation")
    config = make_config(**arguments)
    config._attn_implementation = config._experts_implementation = implementation
    encoder = architecture in ("bert", "modern-bert")
    model = (tf.AutoModel if encoder else tf.AutoModelForCausalLM).from_config(config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            noise = torch.randn_like(value)
            if value.dim() == 1:
                plus_one = architecture.startswith("gemma")
                value.copy_(0.1 * noise if key.endswith("bias") or plus_one else 1.0 + 0.2 * noise)
            else:
                value.copy_(noise * 1.5 / math.sqrt(value.shape[-1]))
    return architecture, config, model.double().eval(), encoder


def permute(x, heads):
    """Rows of halves of a head become neighbours."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def tensors_of(architecture, config, model):
    """Names and arrays as the converter of llama.cpp writes them."""
    names = gguf.get_tensor_name_map(ARCHITECTURES[architecture], config.num_hidden_layers)
    tied = getattr(config, "tie_word_embeddings", False)
    for key, value in model.state_dict().items():
        x = value.float().numpy()
        if key.startswith("pooler.") or key.endswith("position_ids") or (tied and key == "lm_head.weight"):
            continue
        if architecture in ("llama", "granite"):
            for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
                if part in key:
                    x = permute(x, heads)
        if architecture.startswith("gemma") and key.endswith("norm.weight"):
            x = x + 1.0
        if key.endswith("mlp.experts.gate_up_proj"):
            prefix = "blk." + key.split(".")[2]
            half = x.shape[1] // 2
            yield prefix + ".ffn_gate_exps.weight", x[:, :half]
            yield prefix + ".ffn_up_exps.weight", x[:, half:]
            continue
        if key.endswith("mlp.experts.down_proj"):
            yield "blk." + key.split(".")[2] + ".ffn_down_exps.weight", x
            continue
        found = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if found is None:
            sys.exit(f"{architecture}: no name for {key}")
        yield found, x


def llama3_factors(config):
    p = config.rope_parameters
    dim = config.hidden_size // config.num_attention_heads
    low = p["original_max_position_embeddings"] / p["low_freq_factor"]
    high = p["original_max_position_embeddings"] / p["high_freq_factor"]
    factors = []
    for i in range(0, dim, 2):
        length = 2 * math.pi * p["rope_theta"] ** (i / dim)
        if length < high:
            factors.append(1.0)
        elif length > low:
            factors.append(p["factor"])
        else:
            smooth = (p["original_max_position_embeddings"] / length - p["low_freq_factor"]) / (
                p["high_freq_factor"] - p["low_freq_factor"])
            factors.append(1.0 / ((1.0 - smooth) / p["factor"] + smooth))
    return np.array(factors, np.float32)


def rotation(writer, architecture, config):
    p = config.rope_parameters
    if architecture in ("gemma3", "modern-bert"):
        writer.add_rope_freq_base(p["full_attention"]["rope_theta"])
        if architecture == "modern-bert":
            writer.add_float32(f"{architecture}.rope.freq_base_swa", p["sliding_attention"]["rope_theta"])
        p = p["full_attention"]
    else:
        writer.add_rope_freq_base(p["rope_theta"])
    if p["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(p["factor"])
    if p["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config))
    if p["rope_type"] == "longrope":
        original = p["original_max_position_embeddings"]
        ratio = config.max_position_embeddings / original
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(ratio) / math.log(original)))
        writer.add_tensor("rope_factors_short.weight", np.array(p["short_factor"], np.float32))
        writer.add_tensor("rope_factors_long.weight", np.array(p["long_factor"], np.float32))
        writer.add_rope_dimension_count(2 * len(p["short_factor"]))


def metadata(writer, architecture, config):
    writer.add_name("tiny " + architecture)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    encoder = architecture in ("bert", "modern-bert")
    writer.add_head_count_kv(config.num_attention_heads if encoder else config.num_key_value_heads)
    writer.add_context_length(config.max_position_embeddings)
    if getattr(config, "head_dim", None):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if encoder:
        writer.add_layer_norm_eps(config.layer_norm_eps if architecture == "bert" else config.norm_eps)
        writer.add_causal_attention(False)
        writer.add_pooling_type(gguf.PoolingType.MEAN)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if architecture == "modern-bert":
        writer.add_sliding_window(config.local_attention)
    elif architecture != "phi3" and getattr(config, "sliding_window", None) and "qwen" not in architecture:
        writer.add_sliding_window(config.sliding_window)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if architecture == "granite":
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if architecture in ("qwen3moe", "olmoe"):
        writer.add_expert_count(config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if architecture == "qwen3moe":
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)


ARCHITECTURES = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}


def save_folder(name, model):
    """As transformers saves it, in float32; llama in shards."""
    folder = os.path.join(HERE, "hf", name)
    model.float().save_pretrained(folder, max_shard_size="40KB" if name == "llama" else "1GB")
    model.double()


def main():
    results = {}
    for name in MODELS:
        architecture, config, model, encoder = make_model(name)
        file = f"{name}.gguf"
        writer = gguf.GGUFWriter(os.path.join(FOLDER, file), architecture)
        metadata(writer, architecture, config)
        if architecture != "bert":
            rotation(writer, architecture, config)
        for key, array in tensors_of(architecture, config, model):
            writer.add_tensor(key, np.ascontiguousarray(array))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        save_folder(name, model)
        # What the file holds: the weights in float32.
        with torch.no_grad():
            for value in model.parameters():
                value.copy_(value.float().double())
            out = model(torch.tensor([TOKENS]))
        values = (out.last_hidden_state if encoder else out.logits)[0].numpy()
        results[file] = {
            "ids": TOKENS,
            "rows": ROWS,
            "spread": round(float(values.std()), 6),
            "values": [[round(float(v), 6) for v in values[row]] for row in ROWS],
        }
        print(file, os.path.getsize(os.path.join(FOLDER, file)), results[file]["spread"])
    with open(os.path.join(FOLDER, "values.json"), "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in results.items()) + "\n}\n")


if __name__ == "__main__":
    main()
