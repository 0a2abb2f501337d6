"""Writes the goldens of the tokenizer and safetensors tests with Hugging Face's own libraries.

Usage (tokenizers 0.22, transformers 4.57, safetensors 0.8, numpy): python make_goldens.py
Deterministic: a second run writes the same bytes.
"""

import hashlib
import json
import pathlib
import random
import tempfile

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizerFast

HERE = pathlib.Path(__file__).parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

WRITTEN = [
    "The quick brown fox jumps over the lazy dog.",
    "Don't stop: it's 5 o'clock, isn't it? (Yes -- almost!)",
    "naïve café ÅNGSTRÖM résumé Straße ﬁne ǅungla İstanbul ΣΊΣΥΦΟΣ Ώρα",
    "e\u0301 a\u0308\u0323 q\u0307\u0323 \u1e9b\u0323 \u0344 \u212b \uac00\u1100\u1161",
    "日本語のテスト 漢字 中文字符 한국어 문장 русский язык हिन्दी भाषा العربية עִבְרִית ภาษาไทย",
    "mixed漢字inside word、。「quoted」 ｆｕｌｌｗｉｄｔｈ １２３",
    "👩‍👩‍👧 🇩🇪 👍🏽 ☕️ ©™ ½ ² № €20 £5 ¥100 ±3",
    "tab\there\nnew line\r\ncarriage\u00a0nbsp\u2003em\u3000wide\u2028ls\u2029ps\u0085nel\u000bvt",
    "zero\u200bwidth soft\u00adhyphen bom\ufeff null\u0000 bell\u0007 del\u007f repl\ufffd private\ue000 tag\U000e0041",
    "[CLS] already marked [SEP] text with [MASK] and [PAD] and [UNK] tokens",
    "[mask] [Mask] [ MASK ] [MASK][MASK]x[MASK] un[MASK]able [[MASK]]",
    "<user> says hi to<user>all of <user>. <USER> too; <tag>  <tag>x x<tag> whole wholesome whole. Ünit ünit UNIT",
    "a" * 99 + " " + "a" * 100 + " " + "a" * 101 + " " + "é" * 100 + " " + "é" * 101,
    "snake_case camelCase kebab-case path/to/file.txt C++ C# a=b*c^d~e|f`g <b>bold</b> @name #tag 50% x&y $5.00",
    "\u166d canadian \U000111c9 sharada \u2e43 new \u2e5d dash \u0890 cf \u1c89 cap \ua7cb \ua7dc \U00016ea0 \U00010d50",
    "\u0378 unassigned \u07fd mark \u0898 \u1734 \U00011938 \U0001e030",
    "   leading and trailing   ",
    "",
    " \t ",
]
WORDS = ("time person year way day thing man world life hand part child eye woman place work week case point company "
         "number group problem fact running jumped happily unbelievable tokenization internationalisation 1984 3.14 "
         "größer garçon señor Ελλάδα Москва 東京 서울 मुंबई القاهرة").split()


def random_line(rng):
    def character():
        while True:
            low, high = rng.choice([(32, 127), (32, 127), (0xA0, 0x600), (0x600, 0x3000), (0x3000, 0x10000),
                                    (0x1F300, 0x1FB00), (0, 0x110000)])
            code = rng.randrange(low, high)
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    parts = []
    for _ in range(rng.randrange(1, 14)):
        kind = rng.random()
        if kind < 0.5:
            parts.append(rng.choice(WORDS))
        elif kind < 0.6:
            parts.append(rng.choice(WORDS).upper() + rng.choice(".,!?;:'\")-"))
        elif kind < 0.68:
            parts.append(rng.choice(SPECIAL + ["<user>", "<tag>", "whole", "Ünit"]))
        else:
            parts.append("".join(character() for _ in range(rng.randrange(1, 6))))
    return rng.choice([" ", " ", "", "  "]).join(parts)


def train(normalizer):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=900, min_frequency=1, limit_alphabet=500, special_tokens=SPECIAL)
    tokenizer.train_from_iterator(WRITTEN + WORDS * 3, trainer)
    # Training breaks ties at random: sort, so that every run gives the same vocabulary.
    rest = sorted(set(tokenizer.get_vocab()) - set(SPECIAL))
    words = sorted({word for text in WRITTEN[:2] + WORDS for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(
        normalizer.normalize_str(text))})
    single = [token for token in rest if len(token.removeprefix("##")) == 1]
    pairs = sorted({"##" + word[at:at + 2] for word in words for at in range(1, len(word) - 1)})
    names = dict.fromkeys(SPECIAL + single + words + pairs)
    return {token: index for index, token in enumerate(names)}


def build(vocabulary, normalizer, post_processor):
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = post_processor
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def save(tokenizer, name):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    data = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def tokenizers():
    uncased_normalizer = normalizers.BertNormalizer()
    uncased_vocabulary = train(uncased_normalizer)
    cls, sep = uncased_vocabulary["[CLS]"], uncased_vocabulary["[SEP]"]
    template = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    uncased = build(uncased_vocabulary, uncased_normalizer, template)
    # Stored truncation and padding: the loader must ignore them.
    uncased.enable_truncation(7)
    uncased.enable_padding(length=20)
    save(uncased, "uncased")
    uncased.no_padding()

    cased_normalizer = normalizers.BertNormalizer(handle_chinese_chars=False, strip_accents=False, lowercase=False)
    cased_vocabulary = train(cased_normalizer)
    cased = build(cased_vocabulary, cased_normalizer,
                  processors.BertProcessing(("[SEP]", cased_vocabulary["[SEP]"]), ("[CLS]", cased_vocabulary["[CLS]"])))
    cased.add_tokens([AddedToken("<user>", lstrip=True, normalized=False), AddedToken("<tag>", rstrip=True),
                      AddedToken("whole", single_word=True), AddedToken("Ünit", normalized=True)])
    save(cased, "cased")

    folder = HERE / "vocab_txt"
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in uncased_vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer"}))
    (folder / "special_tokens_map.json").write_text(json.dumps(
        {"mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False},
         "unk_token": "[UNK]"}))
    (folder / "added_tokens.json").write_text(json.dumps({"<user>": len(uncased_vocabulary)}))
    vocab_txt = BertTokenizerFast.from_pretrained(folder).backend_tokenizer
    return {"uncased": uncased, "cased": cased, "vocab_txt": vocab_txt}


def write_encodings():
    rng = random.Random(7)
    lines = [(text, None, 0) for text in WRITTEN]
    lines += [(WRITTEN[at], WRITTEN[(at * 5 + 3) % 17], limit) for at in range(12) for limit in (3, 4, 5, 12, 13)]
    lines += [(text, None, limit) for text in WRITTEN[:6] for limit in (2, 3, 8, 64)]
    for _ in range(140):
        pair = random_line(rng) if rng.random() < 0.3 else None
        lines.append((random_line(rng), pair, rng.choice([0, 0, 6, 9, 16])))
    made = tokenizers()
    with open(HERE / "encodings.jsonl", "w", encoding="ascii") as out:
        for text, pair, limit in lines:
            row = {"text": text, "pair": pair, "max_length": limit}
            for name, tokenizer in made.items():
                tokenizer.no_truncation()
                if limit:
                    tokenizer.enable_truncation(limit)
                encoding = tokenizer.encode(text, pair)
                row[name] = encoding.ids
                row["types"] = encoding.type_ids if name == "uncased" else row["types"]
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


def write_places():
    """Where tokens stand in their text, and the tokens of texts that are split into words."""
    rng = random.Random(11)
    lines = WRITTEN[:17] + [random_line(rng) for _ in range(60)]
    made = {name: Tokenizer.from_file(str(HERE / name / "tokenizer.json")) for name in ("uncased", "cased")}
    with open(HERE / "places.jsonl", "w", encoding="ascii") as out:
        for text in lines:
            words = text.split() or ["a"]
            row = {"text": text, "words": words}
            for name, tokenizer in made.items():
                tokenizer.no_truncation()
                tokenizer.no_padding()
                whole = tokenizer.encode(text, add_special_tokens=False)
                split = tokenizer.encode(words, is_pretokenized=True)
                row[name] = {"ids": whole.ids, "offsets": whole.offsets, "split_ids": split.ids,
                             "split_words": [-1 if word is None else word for word in split.word_ids]}
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


def write_code_points():
    """One digest a plane and normaliser over what becomes of every code point between two letters."""
    split = pre_tokenizers.BertPreTokenizer()
    variants = {"uncased": (True, True, True), "accents": (True, True, False), "lowercase": (False, False, True)}
    digests = {}
    for name, (clean, strip, lower) in variants.items():
        normalizer = normalizers.BertNormalizer(clean_text=clean, handle_chinese_chars=clean, strip_accents=strip,
                                                lowercase=lower)
        digests[name] = []
        for plane in range(17):
            text = []
            for code in range(plane << 16, (plane + 1) << 16):
                if not 0xD800 <= code < 0xE000:
                    words = split.pre_tokenize_str(normalizer.normalize_str(f"a{chr(code)}b"))
                    text.append(" ".join(word for word, _ in words))
            digests[name].append(hashlib.sha256("\n".join(text).encode()).hexdigest())
    (HERE / "code_points.json").write_text(json.dumps(digests, indent=1) + "\n")


def write_safetensors():
    tensors = {
        "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a.half": np.array([1, -2], dtype=np.float16),
        "ids": np.array([[1, 2, 3]], dtype=np.int64), "scalar": np.array(0.5, dtype=np.float64),
        "empty": np.zeros((0, 4), dtype=np.float32), "flags": np.array([True, False, True]),
        "bytes": np.array([7], dtype=np.uint8), "small": np.array([-1], dtype=np.int8),
        "short": np.array([-300], dtype=np.int16), "int": np.array([70000], dtype=np.int32),
    }
    save_file(tensors, HERE / "every_dtype.safetensors", metadata={"format": "pt"})


write_encodings()
write_places()
write_code_points()
write_safetensors()
