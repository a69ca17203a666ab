#!/usr/bin/env python3
"""Sentence vectors that PyPI transformers gives, of a tiny BERT made here and of all-MiniLM-L6-v2.

Run by hand:  python3 goldens/make_sentences.py [FOLDER OF all-MiniLM-L6-v2]
(torch, transformers, tokenizers, gguf; 2.15, 5.24, 0.23 and 0.19 made these). Without the folder the vectors of
all-MiniLM stay as they are.

sentences/tiny-bert/ is a folder as sentence-transformers has it (random weights, a WordPiece vocabulary trained on
the texts below), sentences/tiny-bert.gguf the same as llama.cpp's converter writes it, with the pooling of [CLS].
sentences/vectors.json holds the texts and, computed in float64, their vectors by each way of pooling.
"""

import json
import os
import sys

import gguf
import numpy as np
import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from make_tiny_models import ARCHITECTURES

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "sentences")
LENGTH = 24  # max_seq_length of the tiny model

TEXTS = [
    "The cat sat on the mat.",
    "A feline was resting on a rug",
    "Stock markets fell sharply on Thursday after the report.",
    "今天天气很好，我们去公园吧。",
    "naïve café, Ünïcödé and ÅNGSTRÖM",
    "emoji: 🙂🙃 👩‍👩‍👧‍👦 and flags 🇨🇭",
    "",
    " \t ",
    "x",
    "Привет, как дела? Всё хорошо!",
    "def f(x): return x ** 2  # code, with <tags> & 'quotes'",
    "مرحبا بالعالم",
    "\u0000control\u0001 characters\u200b and \ufffd replacement",
    "1234567890 3.14159 1e-12 0xDEADBEEF",
    "[CLS] special [SEP] names [MASK] in the text [UNK] [PAD]",
    "supercalifragilisticexpialidocious" * 4,
    "long " * 300 + "end",
    " ".join(f"word{i}" for i in range(200)),
    "日本語とEnglishの混在した文章です。" * 30,
    "ﬁne ligatures ½ ① Ⅷ",
]
KEPT = [0, 3, 5, 6, 16, 18]  # of all-MiniLM


def make_tokenizer():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=320, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
                                        show_progress=False)
    tokenizer.train_from_iterator(sorted(TEXTS), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def make_model(vocabulary):
    torch.manual_seed(5)
    config = tf.BertConfig(vocab_size=vocabulary, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                           num_attention_heads=4, max_position_embeddings=40, attn_implementation="eager")
    model = tf.BertModel(config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            noise = torch.randn_like(value)
            if value.dim() == 1:
                value.copy_(0.1 * noise if key.endswith("bias") else 1.0 + 0.2 * noise)
            else:
                value.copy_(noise * 1.5 / value.shape[-1] ** 0.5)
    return model.eval()


def write_json(folder, name, value):
    os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def save_folder(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    write_json(folder, "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "cls_token": "[CLS]",
                                                 "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
                                                 "mask_token": "[MASK]"})
    write_json(folder, "sentence_bert_config.json", {"max_seq_length": LENGTH, "do_lower_case": False})
    kinds = ["Transformer", "Pooling", "Normalize"]
    write_json(folder, "modules.json", [
        {"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)])
    write_json(folder, "1_Pooling/config.json", {"word_embedding_dimension": 32, "pooling_mode_cls_token": False,
                                                 "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False,
                                                 "pooling_mode_mean_sqrt_len_tokens": False})


def save_gguf(path, model, tokenizer):
    config = model.config
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("tiny bert")
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.CLS)
    tokens, types = [], []
    for i in range(tokenizer.get_vocab_size()):
        token = tokenizer.id_to_token(i)
        special = token.startswith("[") and token.endswith("]") and len(token) > 2
        # As the converter: a piece that begins a word is marked, one that continues it is not.
        tokens.append(token if special else token[2:] if token.startswith("##") else "\u2581" + token)
        types.append(gguf.TokenType.UNKNOWN if token == "[UNK]" else
                     gguf.TokenType.CONTROL if special else gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_type_count(config.type_vocab_size)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_mask_token_id(4)
    names = gguf.get_tensor_name_map(ARCHITECTURES["bert"], config.num_hidden_layers)
    for key, value in model.state_dict().items():
        if not key.startswith("pooler.") and not key.endswith("position_ids"):
            found = names.get_name(key, try_suffixes=(".weight", ".bias"))
            writer.add_tensor(found, np.ascontiguousarray(value.float().numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def vectors(model, tokenizer, texts, length):
    """way -> vectors; "mean" and "cls" as they are, "unit" the mean brought to length 1."""
    out = {"mean": [], "cls": [], "last": [], "unit": []}
    tokenizer.enable_truncation(length)
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # names of control tokens in a text are text, as in lowbit
    for text in texts:
        ids = tokenizer.encode(text).ids
        with torch.no_grad():
            hidden = model(torch.tensor([ids])).last_hidden_state[0]
        mean = hidden.mean(0)
        out["mean"].append(mean)
        out["cls"].append(hidden[0])
        out["last"].append(hidden[-1])
        out["unit"].append(torch.nn.functional.normalize(mean, dim=0))
    return {way: [[round(float(v), 8) for v in row] for row in rows] for way, rows in out.items()}


def main():
    tokenizer = make_tokenizer()
    model = make_model(tokenizer.get_vocab_size())
    save_folder(os.path.join(FOLDER, "tiny-bert"), model, tokenizer)
    save_gguf(os.path.join(FOLDER, "tiny-bert.gguf"), model, tokenizer)
    path = os.path.join(FOLDER, "vectors.json")
    results = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            results = json.load(f)
    results["tiny-bert"] = {"texts": TEXTS, "vectors": vectors(model.double(), tokenizer, TEXTS, LENGTH)}
    # The GGUF names no length: all positions of the model.
    results["tiny-bert.gguf"] = {"texts": TEXTS,
                                 "vectors": {"cls": vectors(model, tokenizer, TEXTS, 40)["cls"]}}
    if len(sys.argv) > 1:
        big = tf.BertModel.from_pretrained(sys.argv[1], attn_implementation="eager").double().eval()
        own = Tokenizer.from_file(os.path.join(sys.argv[1], "tokenizer.json"))
        texts = [TEXTS[i] for i in KEPT]
        results["all-minilm"] = {"texts": texts, "vectors": {"unit": vectors(big, own, texts, 256)["unit"]}}
    with open(path, "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in results.items()) + "\n}\n")


if __name__ == "__main__":
    main()
