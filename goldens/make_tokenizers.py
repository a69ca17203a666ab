#!/usr/bin/env python3
"""Small tokenizer.json files of every kind, and what the tokenizers package makes of nasty texts with them.

Needs PyPI tokenizers (0.23.3 made these) and sentencepiece (0.2.3, for its compiled map of characters). Trains on
share/text. Writes goldens/tokenizers/: texts.json, NAME.json (the tokenizer), NAME.ids.json (ids without and with the
tokens around a text, and the text that the ids decode to).

With --large FOLDER [FILE...] writes the same for larger vocabularies, the full nmt_nfkc map and about a megabyte of mixed
text (the FILEs give more); LOWBIT_TOKENIZERS=FOLDER build/release/text_test --gtest_filter='*HfGoldens*' compares.
"""
import json
import os
import pathlib
import random
import sys
import tempfile

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

ROOT = pathlib.Path(__file__).resolve().parent.parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
          r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")

TEXTS = [
    "", " ", "   ", "\n", "\t\n \r\n", "Hello", " Hello", "Hello world", "Hello  world!  ", "I'm you're WE'LL it's D'oh",
    "def f(x):\n    return x ** 2  # square\n\n\nprint(f(3))\n", "for (int i=0;i<10;++i) { a[i] += b[i]*c; }\t//x",
    "1234567890 3.14159 1,000,000 ½ ٣٤ Ⅷ ²", "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m \u212b \u1e69 s\u0323\u0307",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0643\u064e\u062a\u064e\u0628\u064e",
    "\u4f60\u597d\u4e16\u754c\uff0c\u8fd9\u662f\u4e00\u4e2a\u6d4b\u8bd5\u3002 \u65e5\u672c\u8a9e\u30c6\u30b9\u30c8 \ud55c\uad6d\uc5b4",
    "\U0001f600\U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f44d\U0001f3fd",
    "\u0000\u0001\u0007\u007f\u0085\u00a0\u00ad\u200b\u200e\u2028\ufeff\ufffd end", "a\u3000b\u2003c\u180ed\u1680e",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22 \u05e2\u05d1\u05e8\u05d9\u05ea \u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u0130stanbul \u1e9eTRA\u00dfE \ufb01ne \u2460 \uff21\uff22",
    "<s>control</s> <unk> [CLS] x [SEP] [MASK]", "a<sp>b <sp> c", "x  <left>  y<left>z", "x  <right>  y<right> z",
    "word words sword word. word", "\u00c0bC \u00e0bc x\u00c0BCy", "<sp><left> <right><sp>", "\u2581\u2581x \u2581 y", "##ing ##",
    "x" * 130 + " " + "\u00e9" * 60, "aAbBcC camelCaseWord HTTPServer", "!!!??? ... --- *** $$$ ~~~ ``` << >> ||",
    "'''\"\"\"'s 't", "https://example.com/a?b=c&d=e#f", "a\u0300\u0301\u0302b\u0327 e\u0301\u0301", "\u1100\u1161\u11a8 \uac01",
    b"broken \xff\xfe \xe4\xb8 \xf0\x9f\x98 \xc3( ok".decode("utf-8", "replace"),
]


def add_tokens(tokenizer):
    tokenizer.add_special_tokens([AddedToken("<sp>", special=True)])
    tokenizer.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False),
        AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("word", single_word=True, normalized=False),
        AddedToken("\u00c0bC", normalized=True),
    ])


def protobuf_field(data, wanted):
    """The first length-delimited field of that number."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 2:
            size = varint()
            if key >> 3 == wanted:
                return data[at:at + size]
            at += size
        elif key & 7 == 0:
            varint()
        else:
            at += 4 if key & 7 == 5 else 8
    raise ValueError("no field %d" % wanted)


def charsmap(full, folder):
    """SentencePiece's compiled map: the whole of nmt_nfkc, or some of NFKC's rules."""
    import unicodedata
    rules = folder / "rules.tsv"
    with open(rules, "w", encoding="utf-8") as out:
        points = list(range(0xA0, 0x180)) + list(range(0x2000, 0x2100)) + list(range(0x3000, 0x3010)) + list(
            range(0xFF01, 0xFF20)) + list(range(0xFB00, 0xFB07))
        for c in points:
            normal = unicodedata.normalize("NFKC", chr(c))
            if normal != chr(c):
                out.write("%X\t%s\n" % (c, " ".join("%X" % ord(x) for x in normal)))
        for letter, mark in (("e", 0x301), ("a", 0x300), ("o", 0x308)):
            out.write("%X %X\t%X\n" % (ord(letter), mark, ord(unicodedata.normalize("NFC", letter + chr(mark)))))
        out.write("9\t20\nA\t20\n")
    options = {"normalization_rule_name": "nmt_nfkc"} if full else {"normalization_rule_tsv": str(rules)}
    prefix = folder / "map"
    sentencepiece.SentencePieceTrainer.train(
        input=str(ROOT / "share/text/calibration.txt"), model_prefix=str(prefix), vocab_size=300, model_type="unigram",
        hard_vocab_limit=False, minloglevel=2, **options)
    normalizer_spec = protobuf_field(open(str(prefix) + ".model", "rb").read(), 3)
    return protobuf_field(normalizer_spec, 2)


def byte_level_bpe(size, pre, files, normalizer=None, ignore_merges=False, post=None, **options):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges, **options))
    tokenizer.pre_tokenizer = pre
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<s>", "</s>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train(files, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    if post is not None:
        tokenizer.post_processor = post(tokenizer)
    return tokenizer


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    ])


def around(tokenizer):
    return processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A $B </s>",
                                         special_tokens=[("<s>", tokenizer.token_to_id("<s>")),
                                                         ("</s>", tokenizer.token_to_id("</s>"))])


LLAMA_DECODER = decoders.Sequence([
    decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)
])


def sentencepiece_bpe(size, files, kind):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    train = pre_tokenizers.Metaspace()
    tokenizer.pre_tokenizer = train
    names = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    tokenizer.train(files, trainers.BpeTrainer(vocab_size=size, special_tokens=names, show_progress=False))
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = written["added_tokens"][:3]  # bytes are tokens of the model
    tokenizer = Tokenizer.from_str(json.dumps(written))
    if kind == "prepend":
        tokenizer.pre_tokenizer = None
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        tokenizer.decoder = LLAMA_DECODER
    elif kind == "gemma":
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        tokenizer.decoder = LLAMA_DECODER
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B",
                                                             special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    return tokenizer


def unigram(size, files, map_bytes, byte_fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.Precompiled(map_bytes)] if map_bytes else [normalizers.Nmt(), normalizers.NFKC()]
    tokenizer.normalizer = normalizers.Sequence(steps + [normalizers.Strip(left=False), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ["<s>", "</s>", "<unk>"] + (["<0x%02X>" % b for b in range(256)] if byte_fallback else [])
    tokenizer.train(files, trainers.UnigramTrainer(vocab_size=size, special_tokens=names, unk_token="<unk>", show_progress=False))
    if byte_fallback:
        written = json.loads(tokenizer.to_str())
        written["added_tokens"] = written["added_tokens"][:3]
        written["model"]["byte_fallback"] = True
        tokenizer = Tokenizer.from_str(json.dumps(written))
        tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    else:
        tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = around(tokenizer)
    return tokenizer


def word_piece(size, files, lower):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train(files, trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", tokenizer.token_to_id("[SEP]")),
                                                         ("[CLS]", tokenizer.token_to_id("[CLS]")))
    return tokenizer


def word_level(size, files):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train(files, trainers.WordLevelTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    return tokenizer


def odd(size, files, number):
    steps = {
        1: [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(False)],
        2: [pre_tokenizers.Split(Regex(r"[aeiou]+"), "merged_with_next"), pre_tokenizers.Split("o", "removed"),
            pre_tokenizers.Punctuation("merged_with_previous")],
        3: [pre_tokenizers.Split(Regex(r"[^\W\d_]+|\h+|[\p{L}&&[^a-m]]"), "removed", invert=True),
            pre_tokenizers.CharDelimiterSplit("e"), pre_tokenizers.Split(Regex(r"\w{5}"), "contiguous")],
    }[number]
    pre = pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=number == 1)])
    return byte_level_bpe(size, pre, files, post=lambda t: processors.RobertaProcessing(
        ("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>"))))


def make_all(large, files, folder):
    byte_level = pre_tokenizers.ByteLevel
    n = 8000 if large else 700
    m = 8000 if large else 900
    yield "bpe-gpt2", byte_level_bpe(n, byte_level(add_prefix_space=False), files)
    yield "bpe-llama3", byte_level_bpe(n, split(LLAMA3), files, ignore_merges=True, post=around)
    yield "bpe-qwen2", byte_level_bpe(n, split(QWEN2), files, normalizer=normalizers.NFC())
    yield "bpe-tekken", byte_level_bpe(n, split(TEKKEN), files)
    yield "bpe-smollm", byte_level_bpe(n, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level(add_prefix_space=False)]), files)
    yield "bpe-falcon", byte_level_bpe(n, pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), byte_level(add_prefix_space=False), pre_tokenizers.Digits(False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]), files)
    yield "bpe-roberta", byte_level_bpe(n, byte_level(add_prefix_space=True), files, post=lambda t: processors.RobertaProcessing(
        ("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>"))))
    for kind in ("prepend", "gemma", "first"):
        yield "spm-" + kind, sentencepiece_bpe(m, files, kind)
    yield "unigram-map", unigram(m, files, charsmap(large, folder))
    yield "unigram-bytes", unigram(m, files, None, byte_fallback=True)
    yield "wordpiece-uncased", word_piece(m, files, True)
    yield "wordpiece-cased", word_piece(m, files, False)
    yield "wordlevel", word_level(m, files)
    for number in (1, 2, 3):
        yield "odd-%d" % number, odd(n, files, number)


def mixed_text(files):
    """About a megabyte: the files, the texts above in random order, random characters of all planes."""
    rng = random.Random(7)
    parts = [pathlib.Path(f).read_text(encoding="utf-8")[:150000] for f in files]
    total = sum(map(len, parts))
    while total < 1000000:
        kind = rng.randrange(4)
        if kind == 0:
            piece = "".join(rng.choice(TEXTS) + rng.choice(["", " ", "\n"]) for _ in range(20))
        elif kind == 1:
            low, high = rng.choice([(0, 0x250), (0x250, 0x600), (0x600, 0xE00), (0xE00, 0x2000), (0x2000, 0x2C00), (0x3000, 0x3400),
                                    (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0xFFFE), (0x1F300, 0x1FA00), (0x10000, 0x11000)])
            piece = "".join(chr(rng.randrange(low, high)) for _ in range(100))
        elif kind == 2:
            piece = bytes(rng.randrange(256) for _ in range(100)).decode("utf-8", "replace")
        else:
            piece = " " * rng.randrange(20) + "\n" * rng.randrange(4) + "\t" * rng.randrange(3)
        parts.append(piece)
        total += len(piece)
    rng.shuffle(parts)
    return parts


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    large = len(sys.argv) > 1 and sys.argv[1] == "--large"
    out = pathlib.Path(sys.argv[2]) if large else ROOT / "goldens/tokenizers"
    files = [str(ROOT / "share/text/calibration.txt"), str(ROOT / "share/text/evaluation.txt")]
    out.mkdir(parents=True, exist_ok=True)
    texts = TEXTS + mixed_text(files + sys.argv[3:]) if large else TEXTS
    write(out / "texts.json", texts)
    with tempfile.TemporaryDirectory() as folder:
        for name, tokenizer in make_all(large, files, pathlib.Path(folder)):
            add_tokens(tokenizer)
            write(out / (name + ".json"), json.loads(tokenizer.to_str()))
            plain = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
            whole = [tokenizer.encode(t).ids for t in texts[:3]]
            decoded = [tokenizer.decode(ids) for ids in plain]
            write(out / (name + ".ids.json"), {"plain": plain, "around": whole, "text": decoded})
            print(name, tokenizer.get_vocab_size(), os.path.getsize(out / (name + ".json")))


if __name__ == "__main__":
    main()
