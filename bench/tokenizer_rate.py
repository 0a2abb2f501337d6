"""Tokens per second of the engine's tokenizers and of Hugging Face's, with the same threads, in one run.

Usage: python bench/tokenizer_rate.py --program build/release/bin/kprune-tokenize-lines --work FOLDER [--threads 2] [--lines 20000]

FOLDER is that of the parity run (tests/input/parity/parity.py), which trains the vocabularies. The lines are those of Debian's
manual pages in many languages. Both sides read nothing and print nothing while they are timed: lines are in memory, and what
counts is the fastest of several passes over all lines, alternating. Prints one JSON object a tokenizer, and fails where the ratio is below
--least.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import time

PARITY = pathlib.Path(__file__).resolve().parent.parent / "tests" / "input" / "parity"
NAMES = {"wordpiece": "bert", "bpe": "roberta", "unigram": "xlm_roberta"}


def ours(program, folder, threads, written):
    run = subprocess.run([program, str(folder), str(threads), "rate"], input=written, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def theirs(tokenizer, lines):
    begin = time.perf_counter()
    encodings = tokenizer.encode_batch(lines)
    seconds = time.perf_counter() - begin
    return {"tokens": sum(len(encoding.ids) for encoding in encodings), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lines", type=int, default=20000)
    parser.add_argument("--least", type=float, default=1.0)
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if arguments.threads > 1 else "false"
    sys.path.insert(0, str(PARITY))
    import corpora  # noqa: PLC0415 - after the threads are set
    import families  # noqa: PLC0415

    made = families.build(arguments.work / "vocabularies", arguments.work / "folders")
    groups = corpora.manual_lines()
    lines = [line for group in groups.values() for line in group]
    lines = random.Random(1).sample(lines, min(arguments.lines, len(lines)))
    written = "".join(json.dumps({"text": line}) + "\n" for line in lines)
    least = None
    for kind, name in NAMES.items():
        _, folder, tokenizer = made[name]
        tokenizer.no_padding()
        tokenizer.no_truncation()
        passes = [(ours(arguments.program, folder, arguments.threads, written), theirs(tokenizer, lines)) for _ in range(3)]
        own = min((own for own, _ in passes), key=lambda answer: answer["seconds"])
        other = min((other for _, other in passes), key=lambda answer: answer["seconds"])
        assert own["tokens"] == other["tokens"], (own, other)
        ratio = other["seconds"] / own["seconds"]
        least = ratio if least is None else min(least, ratio)
        print(json.dumps({"kind": kind, "tokenizer": name, "threads": arguments.threads, "lines": len(lines), "tokens": own["tokens"],
                          "kprune_tokens_per_second": round(own["tokens"] / own["seconds"]),
                          "huggingface_tokens_per_second": round(other["tokens"] / other["seconds"]),
                          "ratio": round(ratio, 2)}), flush=True)
    sys.exit(0 if least >= arguments.least else 1)


if __name__ == "__main__":
    main()
