#!/usr/bin/env python3
"""Writes smollm2.tokens.json beside itself: texts with the ids that Hugging Face's `tokenizers` gives them.

    python3 goldens/make_tokenizer_vectors.py SmolLM2-135M-Instruct.Q4_1.gguf

The vocabulary and the merges come from the GGUF file (`lowbit pull smollm2-135m` prints where it lies) and stay there;
the pipeline is the one that SmolLM documents in its tokenizer.json: each digit alone, then the pieces and the bytes of
GPT-2, then merges. Nothing here is taken from lowbit. Needs tokenizers (0.23.3 made the file). The same bytes on every
run. `ids` are those of plain text, `special` those where the names of control tokens are parsed (absent where equal).
"""

import json
import pathlib
import random
import struct
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY, CONTROL = 8, 9, 3

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "\n \n", "a", " a", "a ", "A", "  a  b   c    d",
    "Hello, world!", "The quick brown fox jumps over the lazy dog.", "HELLO WORLD hello World hElLo",
    "I'm you're he'll she'd we've it's don't I'M YOU'RE HE'LL 'tis ''s 's's 'S", "rock 'n' roll; o'clock; 'quoted' words",
    "can\u2019t won\u2019t I\u2019m \u201cquoted\u201d \u2014 dash \u2013 en \u2026 dots", "1", "12", "123", "1234567890", " 1 12 123", "3.14159", "1,000,000.00",
    "2026-11-25T08:47:08Z", "0xDEADBEEF 1e-9 v1.2.3 #42 50%", "a1b2c3 x86_64 int8 utf8", "\u0661\u0662\u0663 \u0967\u0968\u0969 \u00b2\u00b3 \u00bd \u2163 \u2460 \uff11\uff12\uff13",
    "_snake_case CamelCase kebab-case __init__ a_b", "http://example.org/a/b?c=d&e=%20f#g user@example.com",
    "def f(x):\n    if x > 0:\n        return x ** 2\n    else:\n        return -x\n\n\nprint(f(3))\n",
    "#include <vector>\nint main() { std::vector<int> v{1, 2, 3}; return v[0] << 2; }  // comment\n",
    "for (let i = 0; i < 10; i++) {\n\tconsole.log(`${i}`);\r\n}\r\n", "SELECT * FROM t WHERE a != 'b' AND c IN (1,2);",
    "{\"key\": [1, 2.5, null, true], \"nested\": {\"a\": \"\\u00e9\\n\"}}", "<div class=\"x\">&amp;&lt;</div><!-- c -->",
    "\\frac{a}{b} + \\sum_{i=0}^{n} x_i^2 = \\int f\\,dx", "$HOME ~/.bashrc | grep -v '^#' > out.txt 2>&1 && echo ok",
    "+-*/=<>!@#$%^&()[]{}|;:,.?~`\"'", "!!! ??? ... --- === ***", "a!b@c#d$e%f^g&h*i(j)k", " !  !!   !!!", "...a ...b",
    "caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00fcber \u00c5ngstr\u00f6m \u00f1and\u00fa", "cafe\u0301 nai\u0308ve", "Stra\u00dfe GROSSE \u1e9e", "\u0130stanbul \u0131",
    "\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439, \u043c\u0438\u0440! \u042d\u0442\u043e \u0442\u0435\u0441\u0442.", "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u0628\u0650\u0633\u0652\u0645\u0650 \u0627\u0644\u0644\u0651\u064e\u0647\u0650",
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01\u8fd9\u662f\u6d4b\u8bd5\u3002", "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c\u3002\u30ab\u30bf\u30ab\u30ca", "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "\u1230\u120b\u121d \u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0 \u0532\u0561\u0580\u0587", "\u1797\u17b6\u179f\u17b6 \u0baa\u0bcb \u1019\u103c\u1014\u103a\u1019\u102c", "mixed \u4e2d\u6587 and English\u4e2dmixed\u0430\u0431\u0432abc123\u4e2d",
    "\U0001f600 \U0001f601\U0001f602", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea \u2764\ufe0f \u0031\ufe0f\u20e3", "text\U0001f680text \U0001f680 12\U0001f68034", "\U0001d4d7\U0001d4ee\U0001d4f5\U0001d4f5\U0001d4f8 \U00010348 \U0001f0a1 \U000e0041",
    "\u00a0nbsp\u00a0 \u2003em\u2003 \u3000ideographic\u3000 \u200bzero\u200b \u2028line\u2029para", "\ufeffBOM", "a\u0085b \u1680 \u180e \u202f \u205f", "\u202eright\u202c \u2066x\u2069",
    "\x00", "\x00\x01\x02 \x07\x08\x0b\x0c\x1b[31mred\x1b[0m \x7f", "\x0b\x0c\x1c\x1d\x1e\x1f", "a\tb\t\tc\t\t\td", "\t\t x \t \n\t y", "tail   \n", "tail\n   ", "a\n\n\nb\n \n  \nc", "   \n   \n   x",
    "\r", "\r\r\n\n", "a\rb\r\nc\n\rd", " " * 7, " " * 33 + "x", "\n" * 17, "\t" * 9 + "x", "x" + " " * 64, "a" * 100, "ab" * 60, "0" * 40, "-" * 80, "=" * 33 + "\n", "\u00e9" * 20, "\u4e2d" * 20, "\U0001f600" * 9,
    "\ufffd \ufffe \uffff \U0010ffff \ue000", "\u0300\u0301\u0302 combining first", "\u1100\u1161\u11a8 \uac00\u0301",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|>", "a<|endoftext|>b <|im_end|> c", "<|im_start|", "<|im_start|><|im_start|>>", "<repo_name>x/y<file_sep>main.py\n1<gh_stars>", "<jupyter_code>1<jupyter_output> <empty_output>", "<unknown> <|x|> <s> </s> [INST] <pad>",
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis", "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", "qwrtzpsdfgh zxcvbnm qqqqq",
    "Once upon a time, in 1847, there were 3 little pigs (and 1 wolf); they'd built houses: straw, sticks & bricks.",
]  # fmt: skip

SCRIPTS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0x09, 0x0D), (0x30, 0x39), (0x00, 0x20), (0xA0, 0xFF), (0x100, 0x24F), (0x300, 0x36F),
    (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x2000, 0x206F), (0x2150, 0x218F),
    (0x2600, 0x27BF), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF00, 0xFFEF), (0x1F300, 0x1FAFF), (0x20, 0x20), (0x27, 0x27),
]  # fmt: skip


def random_texts(count):
    """Runs of characters of one script after another."""
    rng = random.Random(2026)
    for _ in range(count):
        text = ""
        for _ in range(rng.randint(1, 8)):
            first, last = rng.choice(SCRIPTS)
            text += "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 5)))
        yield text


class Gguf:
    """The metadata of a GGUF file (versions 2 and 3)."""

    def __init__(self, path):
        self.bytes, self.at = pathlib.Path(path).read_bytes(), 16
        self.values = {}
        for _ in range(self.number("Q")):
            key = self.string()
            self.values[key] = self.value(self.number("I"))

    def number(self, kind):
        (value,) = struct.unpack_from("<" + kind, self.bytes, self.at)
        self.at += struct.calcsize("<" + kind)
        return value

    def string(self):
        size = self.number("Q")
        self.at += size
        return self.bytes[self.at - size : self.at].decode("utf-8")

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            item, count = self.number("I"), self.number("Q")
            return [self.value(item) for _ in range(count)]
        return self.number(SCALARS[kind])


def build(metadata, parse_control):
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    if parse_control:
        types = metadata["tokenizer.ggml.token_type"]
        control = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return tokenizer


def main():
    metadata = Gguf(sys.argv[1]).values
    assert metadata["tokenizer.ggml.pre"] == "smollm", metadata["tokenizer.ggml.pre"]
    plain, special = build(metadata, False), build(metadata, True)
    vectors = []
    for text in [*TEXTS, *random_texts(200)]:
        vector = {"text": text, "ids": plain.encode(text).ids}
        parsed = special.encode(text).ids
        if parsed != vector["ids"]:
            vector["special"] = parsed
        vectors.append(vector)
    lines = ",\n".join(json.dumps(v, separators=(",", ":")) for v in vectors)
    out = pathlib.Path(__file__).with_name("smollm2.tokens.json")
    out.write_text(f'{{"made_by":"tokenizers {tokenizers.__version__}","vectors":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
