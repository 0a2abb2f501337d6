"""Writes entities.json and answers.json: random cases with what seqeval and SQuAD's definition say of them.

    python make_goldens.py    # seqeval 1.2

entities.json: sentences of tags, right and found, with their entities by seqeval's get_entities, and precision, recall
and F1 of all sentences of a case. answers.json: found and right answers with F1 and exact match. The functions for
answers are the definition of SQuAD 1.1 (lower case, punctuation, articles, white space; best over the right answers).
Deterministic: a second run writes the same bytes.
"""

import collections
import json
import pathlib
import random
import re
import string

from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

HERE = pathlib.Path(__file__).parent


def entity_cases(rng):
    for letters in ("BI", "BI", "BIES", "BIESO.", "I"):
        for _ in range(25):
            tags = ["O"] * 3 + [f"{letter}-{kind}" for letter in letters for kind in ("PER", "LOC", "MISC-X")]
            sentences = [[rng.choice(tags) for _ in range(rng.randrange(1, 12))] for _ in range(3)]
            found = [[tag if rng.random() < 0.7 else rng.choice(tags) for tag in sentence] for sentence in sentences]
            yield {"right": sentences, "found": found, "entities": [get_entities(sentence) for sentence in found],
                   "precision": float(precision_score(sentences, found)), "recall": float(recall_score(sentences, found)),
                   "f1": float(f1_score(sentences, found))}


def normalized(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(found, right):
    found, right = normalized(found).split(), normalized(right).split()
    same = sum((collections.Counter(found) & collections.Counter(right)).values())
    if same == 0:
        return 0.0
    return 2 * same / (len(found) + len(right))


WORDS = ("the a an The AN Theatre another red Red, red. river's river U.S. (1984) 1984 3.14 café CAFÉ naïve "
         "–the– the-end x_y A.B.C. \u00a0 \u201cquoted\u201d an, \tthe Straße").split(" ")


def answer_cases(rng):
    for _ in range(300):
        def text():
            return rng.choice([" ", " ", "  ", ""]).join(rng.choice(WORDS) for _ in range(rng.randrange(1, 6)))

        found, right = text(), [text() for _ in range(rng.randrange(1, 4))]
        if rng.random() < 0.3:
            right.append(found.upper() if rng.random() < 0.5 else f"the {found}!")
        yield {"found": found, "right": right, "f1": max(f1(found, one) for one in right),
               "exact": any(normalized(found) == normalized(one) for one in right)}


def write(name, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


write("entities.json", entity_cases(random.Random(1)))
write("answers.json", answer_cases(random.Random(2)))
