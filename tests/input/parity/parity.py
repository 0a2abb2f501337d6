"""Compares the engine's tokenizers with Hugging Face's on lines of all kinds, and says how many differ.

Usage: python parity.py --program build/release/bin/kprune-tokenize-lines --work FOLDER [--lines 25000] [--only NAME ...]
       [--model FOLDER ...]
Trains the vocabularies into FOLDER/vocabularies where they are not there yet (vocabularies.py), and takes the tokenizers of
every family (families.py) and of every --model folder, which has a tokenizer.json. Every third line is a pair, every third is
truncated, by one of the three strategies; of the others the places of tokens are compared too. Prints one JSON object a
tokenizer; fails where a line differs.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys

import corpora
import families
import vocabularies
from tokenizers import Tokenizer

SPECIALS = families.BERT + families.FAIRSEQ + ["<user>", "<tag>", "whole", "\u00dcnit", "\u00dcber", "[mask]", "<s>NOTUSED"]


def questions(count, seed):
    source, rng = corpora.Lines(seed, SPECIALS), random.Random(seed + 1)
    for at in range(count):
        pair = source.line() if at % 3 == 1 else None
        limit = rng.choice([8, 9, 16, 33]) if at % 3 == 2 or at % 9 == 1 else 0
        strategy = rng.choice(["longest_first", "longest_first", "only_first", "only_second"]) if limit else "longest_first"
        yield {"text": source.line(), "pair": pair, "max_length": limit, "truncation": strategy}


def reference(tokenizer, line):
    tokenizer.no_truncation()
    if line["max_length"]:
        tokenizer.enable_truncation(line["max_length"], strategy=line["truncation"])
    try:
        encoding = tokenizer.encode(line["text"], line["pair"])
    except Exception as error:  # the library's errors have no class of their own
        if "runcation" not in str(error):
            raise
        return None  # nothing would be left of the text that is to be cut
    answer = {"ids": encoding.ids, "types": encoding.type_ids}
    if not line["pair"] and not line["max_length"]:
        text = tokenizer.encode(line["text"], add_special_tokens=False)
        answer["text_ids"], answer["spans"] = text.ids, [list(offset) for offset in text.offsets]
    return answer


def compare(program, folder, tokenizer, lines, failures):
    tokenizer.no_padding()
    written = "".join(json.dumps(line) + "\n" for line in lines)
    run = subprocess.run([program, str(folder), "1"], input=written, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"{folder}: {run.stderr}")
    different, tokens = 0, 0
    for line, output in zip(lines, run.stdout.split("\n")):
        expected, got = reference(tokenizer, line), json.loads(output)
        tokens += len(got["ids"])
        same = expected == got if expected else len(got["ids"]) > line["max_length"] > 0
        if not same:
            different += 1
            failures.append({"folder": str(folder), "line": line, "expected": expected, "got": got})
    return different, tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--lines", type=int, default=25000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--model", nargs="*", type=pathlib.Path, default=[])
    arguments = parser.parse_args()
    trained = arguments.work / "vocabularies"
    if not (trained / "deberta.model").exists():
        vocabularies.main(trained)
    made = families.build(trained, arguments.work / "folders")
    for model in arguments.model:
        made[model.name] = ("given", model, Tokenizer.from_file(str(model / "tokenizer.json")))
    failures, worst = [], 0
    for name, (kind, folder, tokenizer) in made.items():
        if arguments.only and name not in arguments.only:
            continue
        lines = list(questions(arguments.lines, arguments.seed))
        different, tokens = compare(arguments.program, folder, tokenizer, lines, failures)
        worst = max(worst, different)
        print(json.dumps({"kind": kind, "tokenizer": name, "lines": len(lines), "tokens": tokens, "different": different}), flush=True)
    (arguments.work / "failures.jsonl").write_text("".join(json.dumps(failure) + "\n" for failure in failures[:1000]))
    sys.exit(1 if worst else 0)


if __name__ == "__main__":
    main()
