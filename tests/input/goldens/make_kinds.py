"""Writes kinds/: small tokenizers of every kind (tests/input/parity/families.py) and kinds/encodings.jsonl, what Hugging Face's
own libraries make of some lines with each.

Usage (tokenizers 0.22, transformers 4.57, sentencepiece 0.2): python make_kinds.py
"""

import json
import pathlib
import random
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "parity"))

import families  # noqa: E402
import parity  # noqa: E402
import vocabularies  # noqa: E402

KEPT = ["parts", "roberta", "modernbert", "prefixed", "llama3", "sentencepiece_bpe", "xlm_roberta", "camembert", "albert", "deberta",
        "first"]

WORDS = ("the time person year way day thing man world life hand part child eye woman place work week case point company number group "
         "problem fact running jumped happily unbelievable tokenization internationalisation pruning models without training "
         "gr\u00f6\u00dfer gar\u00e7on se\u00f1or \u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u041c\u043e\u0441\u043a\u0432\u0430 \u6771\u4eac "
         "\uc11c\uc6b8 \u092e\u0941\u0902\u092c\u0908 \u0627\u0644\u0642\u0627\u0647\u0631\u0629").split()

# A normalisation for sentencepiece that is as strange as its own one, and smaller: from, to.
RULES = {"\uff41": "a", "\uff42": "b", "\ufb03": "ffi", "\u00bd": "1/2", "e\u0301": "\u00e9", "\t": " ", "\n": " ", "\u00a0": " ",
         "\u3000": " ", "\u0007": "", "\u200b": "", "A": "a", "\u2126": "\u03c9", "\u33a5": "m3", "a\u0308": "\u00e4", "\r\n": " "}

WRITTEN = [
    "The quick brown fox's 12 jumps, weren't they?", "  two  blanks,\ttab\nline\r\nend ", "na\u00efve cafe\u0301 e\u0301\u0323 a\u0308\u0301 q\u0307\u0323",
    "\uff41\uff42 \ufb03x \u00bd\u2126\u33a5 A\u0301B", "\u0007bell\u200bzero a\u200b", "<mask> [MASK]  <mask>x<s>[CLS]</s> <unk>[UNK]<s>NOTUSED",
    "\u6771\u4eac\u6f22\u5b57\u3002\uc11c\uc6b8 \u092e\u0941\u0902\u092c\u0908", "\U0001F469\u200D\U0001F467 \u2615\uFE0F \U0001F1E9\U0001F1EA",
    "\u2581under \u2581\u2581 bar", "don't 'll ''quoted'' ``text`` I'VE", "1,234 5, 3.14 \u0663 \u216b", "\U00031350 \u1c89\U00016ea0 \u0897",
    "<user> whole wholesome \u00dcnit \u00fcnit \u00dcber", "", "   ", "a" * 130, "|||EMAIL_ADDRESS||| at end   ", "\u0344\u0345\u030e \uac00\u11a8\u1100\u1161",
]


def random_line(rng):
    pieces = []
    for _ in range(rng.randrange(1, 9)):
        kind = rng.random()
        if kind < 0.55:
            pieces.append(rng.choice(WORDS))
        elif kind < 0.65:
            pieces.append(rng.choice(WORDS).upper() + rng.choice(".,!?;:'\")-"))
        elif kind < 0.72:
            pieces.append(rng.choice(parity.SPECIALS))
        else:
            pieces.append("".join(parity.corpora.random_character(rng) for _ in range(rng.randrange(1, 5))))
    return rng.choice([" ", " ", "", "  "]).join(pieces)


def train(folder):
    rng = random.Random(3)
    lines = [" ".join(rng.choice(WORDS) for _ in range(8)) + rng.choice([".", "!", ", 1984"]) for _ in range(300)]
    vocabularies.train_wordpiece(folder, lines, 500)
    vocabularies.train_byte_bpe(folder, lines, 700)
    rules = folder / "rules.tsv"
    rules.write_text("".join("\t".join(" ".join(f"{ord(c):X}" for c in text) for text in rule) + "\n" for rule in RULES.items()))
    vocabularies.train_sentencepiece(folder, lines, 300, rules)


def main():
    rng = random.Random(5)
    lines = [{"text": text, "pair": None, "max_length": 0} for text in WRITTEN]
    lines += [{"text": random_line(rng), "pair": random_line(rng) if at % 3 == 0 else None,
               "max_length": rng.choice([0, 0, 7, 12])} for at in range(40)]
    target = HERE / "kinds"
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        trained = pathlib.Path(work)
        train(trained)
        made = families.build(trained, trained / "folders")
        for name in KEPT:
            shutil.copytree(made[name][1], target / name)
            stored = target / name / "tokenizer.json"
            if stored.exists():
                stored.write_text(json.dumps(json.loads(stored.read_text(encoding="utf-8")), ensure_ascii=False), encoding="utf-8")
        with open(target / "encodings.jsonl", "w", encoding="ascii") as out:
            for line in lines:
                row = dict(line)
                for name in KEPT:
                    row[name] = parity.reference(made[name][2], line)
                out.write(json.dumps(row, separators=(",", ":")) + "\n")


main()
