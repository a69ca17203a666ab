#!/usr/bin/env python3
"""A folder that `lowbit quantize -o FOLDER/` wrote, read by compressed-tensors and transformers instead of lowbit.

Run by hand:  python3 tools/compare_compressed_tensors.py LOWBIT FOLDER [TEXT]
(torch, transformers, safetensors, compressed-tensors)

1. What compressed-tensors decompresses equals, bit for bit, what lowbit reads: the values of `LOWBIT quantize FOLDER
   -o PLAIN/ --format f32`. Scales are widened to float32 first, as the library multiplies in their dtype; NVFP4, which
   it multiplies in bfloat16 and divides where lowbit multiplies, may be off by one rounding.
2. transformers loads the folder, and its loss on TEXT is that of `LOWBIT eval --reference` within 1e-4 (5e-3 where it
   can only dequantize in the dtype of the scales).
"""

import json
import os
import subprocess
import sys
import tempfile

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationConfig
from compressed_tensors.utils.match import match_targets
from safetensors import safe_open
from transformers import AutoModelForCausalLM, CompressedTensorsConfig, PreTrainedTokenizerFast

CONTEXT, CHUNKS = 64, 2


def tensors_of(folder):
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            with safe_open(os.path.join(folder, name), "pt") as f:
                found.update({key: f.get_tensor(key) for key in f.keys()})
    return found


def modules_of(tensors):
    modules = {}
    for name, tensor in tensors.items():
        module, part = name.rsplit(".", 1)
        modules.setdefault(module, {})[part] = tensor
    return {m: parts for m, parts in modules.items() if "weight_scale" in parts}


def decompressed(parts, scheme):
    form = scheme.format if isinstance(scheme.format, str) else scheme.format.value
    fp4 = form in ("nvfp4-pack-quantized", "mxfp4-pack-quantized")
    if not fp4:
        parts["weight_scale"] = parts["weight_scale"].float()
    compressor = BaseCompressor.get_value_from_registry(form)
    return form, compressor.decompress(parts, scheme)["weight"]


def compare_weights(folder, config, plain):
    config = QuantizationConfig.model_validate(config)
    targets = {t: scheme for scheme in config.config_groups.values() for t in scheme.targets}
    expected = tensors_of(plain)
    counts = {}
    for module, parts in modules_of(tensors_of(folder)).items():
        matched = match_targets(module, torch.nn.Linear(1, 1), targets)
        form, weight = decompressed(parts, targets[matched[0]])
        value = expected[module + ".weight"]
        if weight.dtype == torch.bfloat16:
            close = (weight.float() - value).abs() <= value.abs() * 2.0**-8
            assert bool(close.all()), f"{module}: more than a rounding of bfloat16 apart"
            counts[form + ", not exact"] = counts.get(form + ", not exact", 0) + int((weight != value.bfloat16()).sum())
        else:
            assert torch.equal(weight.float(), value), f"{module} ({form}): values differ"
        counts[form] = counts.get(form, 0) + 1
    print("weights:", counts)


def rounds(config, tensors):
    """Whether transformers 5.24 with compressed-tensors 0.20 can only dequantize in the dtype of the scales, as the
    folder is loaded: experts always; left compressed, zero points are not taken (they are not packed on the meta
    device), fp4 only for bfloat16, and activations would be quantized."""
    schemes = (config or {}).get("config_groups", {}).values()
    return any(".experts." in name and name.endswith("_scale") for name in tensors) or any(
        not s["weights"]["symmetric"] or (s["weights"]["type"], s["weights"]["num_bits"]) == ("float", 4)
        or s["input_activations"] for s in schemes)  # fmt: skip


def loss(folder, config, dequantize, text):
    more = {"quantization_config": CompressedTensorsConfig(**config, dequantize=True)} if dequantize else {}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **more).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, "tokenizer.json"))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    losses = []
    for chunk in range(CHUNKS):
        part = torch.tensor([ids[chunk * CONTEXT : (chunk + 1) * CONTEXT]])
        with torch.no_grad():
            logits = model(part).logits[0].double()
        # As lowbit: the last context / 2 - 1 predictions of a chunk count.
        rows = range(CONTEXT // 2, CONTEXT - 1)
        losses.append(-torch.log_softmax(logits, -1)[list(rows), part[0, list(r + 1 for r in rows)]].mean().item())
    return losses


def main():
    program, folder = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as scratch:
        plain = os.path.join(scratch, "plain") + "/"
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            config = json.load(f).get("quantization_config")
        if config:
            subprocess.run([program, "quantize", folder, "-o", plain, "--format", "f32"], check=True, stdout=subprocess.DEVNULL)
            compare_weights(folder, config, plain)
        if len(sys.argv) < 4:
            return
        with open(sys.argv[3], encoding="utf-8") as f:
            rounded = rounds(config, tensors_of(folder))
            theirs = loss(folder, config, rounded, f.read())
        found = subprocess.run(
            [program, "eval", folder, "--text", sys.argv[3], "--context", str(CONTEXT), "--chunks", str(CHUNKS),
             "--reference", "--json"], check=True, capture_output=True)  # fmt: skip
        ours = [c["nll"] for c in json.loads(found.stdout)["per_chunk"]]
        print("loss:", theirs, ours)
        assert all(abs(a - b) < (5e-3 if rounded else 1e-4) for a, b in zip(theirs, ours, strict=True))


if __name__ == "__main__":
    main()
