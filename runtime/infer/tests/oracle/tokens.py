"""What llama.cpp makes of odd texts, for the tests of the tokenizer.

    python tokens.py TEXT_FILE tokens.json [RANDOM_TEXTS]

needs llama-cpp-python. Trains two small vocabularies (byte-level and SentencePiece) on a text,
writes a GGUF file of each kind, and notes the tokens that llama.cpp gives each text. With
RANDOM_TEXTS, so many texts are put together from odd characters; the notes then become large,
and are for trying by hand.
"""

import collections
import json
import random
import re
import struct
import sys
import tempfile

from llama_cpp import Llama

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>"]
ADDED = ["<table>", "   ", "<tool_call>"]
MERGES = 600
PRES = [
    "qwen2", "llama-bpe", "gpt-2", "default", "smaug-bpe", "smollm", "falcon", "deepseek-llm",
    "deepseek-coder", "deepseek-v3", "tekken", "gpt-4o", "qwen35", "seed-coder", "bailingmoe",
]
TEXTS = [
    "", " ", "  ", "   ", "        ", "\n", "\n\n", " \n", "\n ", "\r\n\r\n", "\t\tx", " \t \n x",
    "a", " a", "a ", "Hello, world!", "hello'S we'LL you've I'm don't IT'S'", "''s ' s",
    "1", "12", "123", "1234", "12345678901", "3.14159 -1e10 0x1F", "a1b22c333", "\u0661\u0662\u0663\u0664\u0665", "x\u00b2\u00bd\u216b",
    "fn main() {\n    let x = vec![1, 2];\n}\n", "if (a&&b||!c) { return; } // done...", "a_b-c.d/e\\f",
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01123", "\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca", "\uc548\ub155\ud558\uc138\uc694", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5", "na\u00efve caf\u00e9 \u00dcber", "e\u0301a\u0308", "\u00c5ngstr\u00f6m \u212b",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467 family", "flags \U0001f1e9\U0001f1ea!", "\u2764\ufe0f ok", "\u00a0nbsp\u3000ideographic\u2028line\u0085next",
    "\u200bzero\u200bwidth", "tabs\tand\x0bvt\x0cff", "\x00\x01\x7f", "\ufffd\ue000\U000e0041", "$100 + \u20ac50 = \u00a31 <=> ~^|`",
    "...---***///", "=" * 33, "a" * 70, "AbCdEFGhIJklMNOP", "don\u2019t \u201cquote\u201d \u2014 dash",
    "<|im_end|>", "a<|im_end|>b <|im_start|>user\n", "<table> x   y <tool_call>", "<s> </s> <unk> <0x0A>", "\u2581\u2581x \u2581",
    "https://example.org/a?b=c&d=%20#e", "2024-02-29T12:00:00Z", " leading and trailing ", "\n\n\n   \n\n x", "JSON: {\"a\": [1, true, null]}",
]


def bytes_to_letters():
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = iter(range(256, 512))
    return {b: chr(b) if b in printable else chr(next(others)) for b in range(256)}


def train(words, count):
    """The most frequent pairs of neighbours, one after the other; words are tuples of symbols."""
    words = collections.Counter(words)
    merges = []
    for _ in range(count):
        pairs = collections.Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        merged = collections.Counter()
        for word, times in words.items():
            out = []
            for symbol in word:
                if out and (out[-1], symbol) == best and not isinstance(out[-1], list):
                    out[-1] = out[-1] + symbol
                else:
                    out.append(symbol)
            merged[tuple(out)] += times
        words = merged
    return merges


def value(v):
    if isinstance(v, bool):
        return 7, struct.pack("<?", v)
    if isinstance(v, int):
        return 4, struct.pack("<I", v)
    if isinstance(v, float):
        return 6, struct.pack("<f", v)
    if isinstance(v, str):
        raw = v.encode()
        return 8, struct.pack("<Q", len(raw)) + raw
    kinds = [value(x) for x in v]
    kind = kinds[0][0]
    # llama.cpp wants types as signed numbers.
    written = 5 if kind == 4 else kind
    return 9, struct.pack("<IQ", written, len(v)) + b"".join(raw for _, raw in kinds)


def write(path, metadata):
    with open(path, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(metadata)))
        for key, v in metadata.items():
            kind, raw = value(v)
            file.write(struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + raw)


def tokens_of(metadata, texts):
    shape = {
        "general.architecture": "llama", "llama.context_length": 64, "llama.embedding_length": 8,
        "llama.block_count": 1, "llama.feed_forward_length": 8, "llama.attention.head_count": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.dimension_count": 8,
    }
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        write(file.name, shape | metadata)
        model = Llama(model_path=file.name, vocab_only=True, verbose=False)
        return [
            [model.tokenize(text.encode(), add_bos=False, special=special) for text in texts]
            for special in (False, True)
        ]


def random_text(rng, words):
    odd = [
        " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'RE", "1", "23", "456", ".", ",", "!?", "(", "\u3001",
        "\u4e2d", "\u3042", "\ud55c", "\u00e9", "e\u0301", "\u00df", "\u0416", "\u0434", "\u05d0", "\u0e01\u0e34", "\U0001f600", "\u200d", "\u00a0", "\u2003", "\u0660", "\u00bd",
        "_", "A", "Zz", "aB", "\u01c5", "\u02b0", "\u2160", "+", "=", "$", "^", "`", "|", "~", "\x7f", "\u0903", "\ufb01", "\u2126",
    ]
    return "".join(
        rng.choice(words) if rng.random() < 0.3 else rng.choice(odd)
        for _ in range(rng.randrange(1, 24))
    )


def main():
    corpus = open(sys.argv[1], encoding="utf-8").read()[:60000]
    corpus += " ".join(str(n * 37) for n in range(300)) + " \u4f60\u597d \u4e16\u754c na\u00efve \u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440" * 30
    corpus += "\n    \n        x  y\n\n\n" * 40
    letters = bytes_to_letters()
    words = re.findall(r"[A-Za-z]{2,}", corpus)
    # Merges must reach across every border that a pre-tokenizer may draw, or a border in the
    # wrong place would not be seen.
    rng = random.Random(3)
    corpus += "".join(random_text(rng, words) for _ in range(1500))
    cut = [corpus[at : at + 16] for at in range(0, len(corpus), 16)]
    texts = TEXTS
    if len(sys.argv) > 3:
        rng = random.Random(7)
        texts = texts + [random_text(rng, words) for _ in range(int(sys.argv[3]))]

    merges = train([tuple(letters[b] for b in word.encode()) for word in cut], MERGES)
    tokens = list(letters.values()) + [a + b for a, b in merges]
    tokens = list(dict.fromkeys(tokens))
    # Whole words that no merge makes: only found where whole words are looked up first.
    tokens += ["\u0120zzyzx", "qqq"]
    types = [1] * len(tokens) + [3] * len(SPECIALS) + [4] * len(ADDED)
    tokens += SPECIALS + ADDED
    byte_level = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [a + " " + b for a, b in merges],
        "tokenizer.ggml.eos_token_id": tokens.index("<|endoftext|>"),
        "tokenizer.ggml.bos_token_id": tokens.index("<|endoftext|>"),
    }
    texts = texts + [" zzyzx qqq xqqq"]

    spm_corpus = corpus.replace(" ", "\u2581")
    spm_cut = [spm_corpus[at : at + 16] for at in range(0, len(spm_corpus), 16)]
    spm_merges = train([tuple(word) for word in spm_cut], MERGES)
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    kinds = [2, 3, 3] + [6] * 256
    scores = [0.0] * len(pieces)
    grown = list(dict.fromkeys([a + b for a, b in spm_merges] + sorted(set(spm_corpus))))
    for rank, piece in enumerate(grown):
        pieces.append(piece)
        kinds.append(1)
        # Some share a score, so that the place decides.
        scores.append(-float(rank // 3))
    pieces += ["<|im_end|>", "<table>"]
    kinds += [3, 4]
    scores += [0.0, 0.0]
    sentencepiece = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }

    runs = []
    for pre in PRES:
        plain, special = tokens_of(byte_level | {"tokenizer.ggml.pre": pre}, texts)
        runs.append({"kind": "gpt2", "pre": pre, "plain": plain, "special": special})
    for prefix in (True, False):
        plain, special = tokens_of(
            sentencepiece | {"tokenizer.ggml.add_space_prefix": prefix}, texts
        )
        runs.append({"kind": "llama", "space_prefix": prefix, "plain": plain, "special": special})
    # What only repeats the run without special tokens is left out.
    for run in runs:
        run["special"] = {
            str(at): ids
            for at, (ids, plain) in enumerate(zip(run["special"], run["plain"]))
            if ids != plain
        }
    json.dump(
        {"gpt2": byte_level, "llama": sentencepiece, "texts": texts, "runs": runs},
        open(sys.argv[2], "w", encoding="utf-8"),
        ensure_ascii=True,
        separators=(",", ":"),
    )


main()
