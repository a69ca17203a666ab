#!/usr/bin/env python3
"""Writes tiny-llama.gguf, tiny-llama-mixed.gguf and tiny-llama.logits.json beside itself.

A llama of random weights, small enough for the repository: three layers, a byte-level BPE vocabulary learned from the
text below, a ChatML template. The logits come from a forward pass in float64 over the bytes that stand in the files;
nothing here is taken from lowbit. Needs numpy. The same bytes on every run.
"""

import json
import os
import re
import struct

import numpy as np

WIDTH, HEADS, KV_HEADS, HEAD_DIM, HIDDEN, LAYERS, CONTEXT = 64, 4, 2, 16, 160, 3, 256
EPSILON, ROPE_BASE, VOCABULARY = 1e-5, 10000.0, 400
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# Lewis Carroll, Alice's Adventures in Wonderland (1865), and the Declaration of Independence (1776).
TEXT = """Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once
or twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, 'and what
is the use of a book,' thought Alice 'without pictures or conversation?' So she was considering in her own mind (as well
as she could, for the hot day made her feel very sleepy and stupid), whether the pleasure of making a daisy-chain would
be worth the trouble of getting up and picking the daisies, when suddenly a White Rabbit with pink eyes ran close by
her. There was nothing so very remarkable in that; nor did Alice think it so very much out of the way to hear the Rabbit
say to itself, 'Oh dear! Oh dear! I shall be late!'
When in the Course of human events, it becomes necessary for one people to dissolve the political bands which have
connected them with another, and to assume among the powers of the earth, the separate and equal station to which the
Laws of Nature and of Nature's God entitle them, a decent respect to the opinions of mankind requires that they should
declare the causes which impel them to the separation. We hold these truths to be self-evident, that all men are created
equal, that they are endowed by their Creator with certain unalienable Rights, that among these are Life, Liberty and
the pursuit of Happiness.
"""

PROMPTS = [
    "Alice",
    "It was the White Rabbit, trotting slowly back again, and looking anxiously about as it went.",
    "In 1776 the people said: 42 caf\u00e9s, 3.5 miles\n\n  apart & the 'rest'!",
    "<|im_start|>user\nWhat is the use of a book?<|im_end|>\n<|im_start|>assistant\n",
]
GREEDY = 12  # tokens that follow each prompt


# ---- the vocabulary ----


def byte_alphabet():
    """How GPT-2 writes each byte: printable ones as themselves, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {b: chr(b) for b in printable}
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + len(letters) - len(printable))
    return letters


LETTERS = byte_alphabet()
PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?[^\s\w]+|\s+(?!\S)|\s+")


def pieces(text):
    """Digits one by one, then the pieces of GPT-2; enough for texts without underscores and exotic numbers."""
    out = []
    for part in re.split(r"(\d)", text):
        out += [part] if part.isdigit() else PIECES.findall(part)
    return [[LETTERS[b] for b in piece.encode()] for piece in out]


def merge(word, left, right):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and word[i] == left and word[i + 1] == right:
            out.append(left + right)
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


def learn_merges(count):
    words, merges = pieces(TEXT), []
    while len(merges) < count:
        pairs = {}
        for word in words:
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = [merge(word, *best) for word in words]
    return merges


MERGES = learn_merges(VOCABULARY - 256 - len(CONTROL))
TOKENS = CONTROL + [LETTERS[b] for b in range(256)] + [left + right for left, right in MERGES]
IDS = {token: i for i, token in enumerate(TOKENS)}
assert len(IDS) == VOCABULARY


def encode(text):
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, CONTROL)) + ")", text):
        if part in CONTROL:
            ids.append(IDS[part])
            continue
        for word in pieces(part):
            for left, right in MERGES:
                word = merge(word, left, right)
            ids += [IDS[token] for token in word]
    return ids


# ---- tensor types: float32 values -> (bytes, the values that those bytes mean) ----


def as_f32(x):
    return x.astype("<f4").tobytes(), x.astype(np.float64)


def as_f16(x):
    stored = x.astype("<f2")
    return stored.tobytes(), stored.astype(np.float64)


def as_bf16(x):
    bits = x.astype("<f4").view("<u4")
    words = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return words.tobytes(), (words.astype("<u4") << 16).view("<f4").astype(np.float64)


def blocks(x):
    return x.reshape(-1, 32).astype(np.float64)


def halves(q):
    """Codes of 4 bits: element j in the low half of byte j, element j + 16 in the high half."""
    return (q[:, :16] | q[:, 16:] << 4).astype(np.uint8)


def as_q8_0(x):
    b = blocks(x)
    d = (np.abs(b).max(axis=1) / 127).astype("<f2")
    q = np.clip(np.rint(b / d.astype(np.float64)[:, None]), -127, 127).astype(np.int8)
    data = b"".join(d[i].tobytes() + q[i].tobytes() for i in range(len(b)))
    return data, (q * d.astype(np.float64)[:, None]).reshape(x.shape)


def as_q4_0(x):
    b = blocks(x)
    largest = np.take_along_axis(b, np.abs(b).argmax(axis=1)[:, None], axis=1)[:, 0]
    d = (largest / -8).astype("<f2")
    q = np.clip(np.rint(b / d.astype(np.float64)[:, None]) + 8, 0, 15).astype(np.uint8)
    data = b"".join(d[i].tobytes() + halves(q)[i].tobytes() for i in range(len(b)))
    return data, ((q.astype(np.float64) - 8) * d.astype(np.float64)[:, None]).reshape(x.shape)


def as_q4_1(x):
    b = blocks(x)
    low = b.min(axis=1).astype("<f2")
    d = ((b.max(axis=1) - low) / 15).astype("<f2")
    q = np.clip(np.rint((b - low.astype(np.float64)[:, None]) / d.astype(np.float64)[:, None]), 0, 15).astype(np.uint8)
    data = b"".join(d[i].tobytes() + low[i].tobytes() + halves(q)[i].tobytes() for i in range(len(b)))
    values = q * d.astype(np.float64)[:, None] + low.astype(np.float64)[:, None]
    return data, values.reshape(x.shape)


# name -> (number in GGUF, writer)
TYPES = {
    "F32": (0, as_f32),
    "F16": (1, as_f16),
    "Q4_0": (2, as_q4_0),
    "Q4_1": (3, as_q4_1),
    "Q8_0": (8, as_q8_0),
    "BF16": (30, as_bf16),
}


# ---- weights ----


def random_normal(random, shape):
    """Sums of 12 uniforms less 6: no elementary function, so the same bits everywhere."""
    return (random.random_sample((*shape, 12)).sum(axis=-1) - 6.0).astype(np.float32)


def make_weights(untied):
    random = np.random.RandomState(20260726)
    weights = {"token_embd.weight": random_normal(random, (VOCABULARY, WIDTH)) * np.float32(0.35)}

    def matrix(name, rows, cols, gain):
        weights[name + ".weight"] = random_normal(random, (rows, cols)) * np.float32(gain / np.sqrt(cols))

    def norm(name):
        weights[name + ".weight"] = np.float32(1.0) + random_normal(random, (WIDTH,)) * np.float32(0.2)

    for i in range(LAYERS):
        norm(f"blk.{i}.attn_norm")
        matrix(f"blk.{i}.attn_q", HEADS * HEAD_DIM, WIDTH, 1.6)
        matrix(f"blk.{i}.attn_k", KV_HEADS * HEAD_DIM, WIDTH, 1.6)
        matrix(f"blk.{i}.attn_v", KV_HEADS * HEAD_DIM, WIDTH, 1.0)
        matrix(f"blk.{i}.attn_output", WIDTH, HEADS * HEAD_DIM, 1.5)
        norm(f"blk.{i}.ffn_norm")
        matrix(f"blk.{i}.ffn_gate", HIDDEN, WIDTH, 1.5)
        matrix(f"blk.{i}.ffn_up", HIDDEN, WIDTH, 1.5)
        matrix(f"blk.{i}.ffn_down", WIDTH, HIDDEN, 1.5)
    norm("output_norm")
    if untied:
        matrix("output", VOCABULARY, WIDTH, 3.0)
    return weights


MIXED = {
    "token_embd": "Q8_0",
    "attn_q": "F16",
    "attn_k": "Q8_0",
    "attn_v": "BF16",
    "attn_output": "Q4_0",
    "ffn_gate": "Q4_1",
    "ffn_up": "Q4_0",
    "ffn_down": "Q8_0",
    "output": "F16",
}


def type_of(name, mixed):
    part = name.removesuffix(".weight").split(".")[-1]
    return MIXED.get(part, "F32") if mixed else "F32"


# ---- the file ----


def gguf_string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(value):
    """(type number, bytes)"""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, gguf_string(value)
    kind = 5 if isinstance(value[0], int) else 8
    items = [struct.pack("<i", v) if kind == 5 else gguf_string(v) for v in value]
    return 9, struct.pack("<IQ", kind, len(value)) + b"".join(items)


def metadata(name):
    return {
        "general.architecture": "llama",
        "general.name": name,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": HIDDEN,
        "llama.block_count": LAYERS,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.layer_norm_rms_epsilon": EPSILON,
        "llama.rope.freq_base": ROPE_BASE,
        "llama.rope.dimension_count": HEAD_DIM,
        "llama.vocab_size": VOCABULARY,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": [3] * len(CONTROL) + [1] * (VOCABULARY - len(CONTROL)),
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in MERGES],
        "tokenizer.ggml.bos_token_id": IDS["<|im_start|>"],
        "tokenizer.ggml.eos_token_id": IDS["<|im_end|>"],
        "tokenizer.ggml.unknown_token_id": IDS["<|endoftext|>"],
        "tokenizer.ggml.padding_token_id": IDS["<|im_end|>"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def write_gguf(path, name, weights, mixed):
    """Writes the file; returns the values that its bytes mean."""
    values, head, data = {}, b"", b""
    for key, value in metadata(name).items():
        kind, encoded = gguf_value(value)
        head += gguf_string(key) + struct.pack("<I", kind) + encoded
    for tensor, x in weights.items():
        number, write = TYPES[type_of(tensor, mixed)]
        encoded, values[tensor] = write(x)
        head += gguf_string(tensor) + struct.pack("<I", x.ndim)
        head += b"".join(struct.pack("<Q", n) for n in reversed(x.shape)) + struct.pack("<IQ", number, len(data))
        data += encoded + b"\0" * (-len(encoded) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(weights), len(metadata(name))) + head
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % 32) + data)
    return values


# ---- the forward pass, float64 ----


def rms_norm(x, weight):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPSILON) * weight


def rope(x):
    """x: [tokens, heads, HEAD_DIM]; pairs (2i, 2i + 1), as GGUF orders the rows of q and k."""
    inverse = ROPE_BASE ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    angle = np.arange(len(x))[:, None, None] * inverse
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * np.cos(angle) - x[..., 1::2] * np.sin(angle)
    out[..., 1::2] = x[..., 0::2] * np.sin(angle) + x[..., 1::2] * np.cos(angle)
    return out


def attention(x, w, prefix):
    tokens = len(x)
    q = rope((x @ w[prefix + "attn_q.weight"].T).reshape(tokens, HEADS, HEAD_DIM))
    k = rope((x @ w[prefix + "attn_k.weight"].T).reshape(tokens, KV_HEADS, HEAD_DIM))
    v = (x @ w[prefix + "attn_v.weight"].T).reshape(tokens, KV_HEADS, HEAD_DIM)
    out = np.empty((tokens, HEADS, HEAD_DIM))
    for h in range(HEADS):
        scores = q[:, h] @ k[:, h // (HEADS // KV_HEADS)].T / np.sqrt(HEAD_DIM)
        scores[np.triu_indices(tokens, 1)] = -np.inf
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, h] = p / p.sum(axis=1, keepdims=True) @ v[:, h // (HEADS // KV_HEADS)]
    return out.reshape(tokens, -1) @ w[prefix + "attn_output.weight"].T


def forward(w, ids):
    x = w["token_embd.weight"][ids]
    for i in range(LAYERS):
        prefix = f"blk.{i}."
        x = x + attention(rms_norm(x, w[prefix + "attn_norm.weight"]), w, prefix)
        h = rms_norm(x, w[prefix + "ffn_norm.weight"])
        gate = h @ w[prefix + "ffn_gate.weight"].T
        up = h @ w[prefix + "ffn_up.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[prefix + "ffn_down.weight"].T
    return rms_norm(x, w["output_norm.weight"]) @ w.get("output.weight", w["token_embd.weight"]).T


def golden(w, text):
    """Logits at three positions of the prompt, and the most likely tokens that follow it."""
    ids = encode(text)
    logits = forward(w, ids)
    rows = sorted({0, len(ids) // 2, len(ids) - 1})
    greedy, gap = [], np.inf
    for _ in range(GREEDY):
        last = forward(w, ids + greedy)[-1]
        second, first = np.sort(last)[-2:]
        gap = min(gap, first - second)
        greedy.append(int(last.argmax()))
    assert gap > 1e-3, f"two tokens are too near each other after {text!r}: {gap}"
    return {
        "text": text,
        "ids": ids,
        "rows": rows,
        "logits": [[float(f"{v:.9g}") for v in logits[row]] for row in rows],
        "spread": float(f"{logits.std():.9g}"),
        "greedy": greedy,
    }


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    result = {}
    for name, mixed in [("tiny-llama", False), ("tiny-llama-mixed", True)]:
        path = os.path.join(folder, name + ".gguf")
        w = write_gguf(path, name, make_weights(untied=mixed), mixed)
        result[name + ".gguf"] = [golden(w, text) for text in PROMPTS]
        print(name, os.path.getsize(path), [p["greedy"] for p in result[name + ".gguf"]],
              [p["spread"] for p in result[name + ".gguf"]])
    with open(os.path.join(folder, "tiny-llama.logits.json"), "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
