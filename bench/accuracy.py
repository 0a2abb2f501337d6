#!/usr/bin/env python3
"""Prunes one model with every method to every budget and seed, and writes the table of what remains of its accuracy,
with a plot, into docs/accuracy.md (between its markers) and docs/accuracy.svg. Prints the table; --out gets every run
as one JSON document. docs/accuracy.md says how to read it."""

import argparse
import json
import math
import os
import sys

from accuracy_plot import plot
from arguments import benchmark_parser, names_of
from children import BenchError, number, parse_object, require_program, run

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BEGIN, _END = "<!-- accuracy.py begins -->", "<!-- accuracy.py ends -->"

# Options of every method. Distillation pays for the smallest budgets, and is shown there.
METHODS = {
    "refit": [],
    "refit+distill": ["--distill", "600"],
    "kprune": ["--method", "kprune"],
    "kprune auto": ["--method", "kprune", "--lambda-rep", "auto", "--mu", "auto"],
}
_DISTILLED_UP_TO = 0.2


def _numbers(text):
    values = [float(word) for word in text.split(",")]
    if not all(0 < value < 1 for value in values):
        raise argparse.ArgumentTypeError(f"{text} has budgets outside 0 to 1")
    return values


def parse_arguments(arguments):
    parser = benchmark_parser(__doc__, _ROOT, "kprune-accuracy", "models/sst2 and data/sst2")
    parser.add_argument("--methods", type=names_of(list(METHODS)), default=list(METHODS), metavar="NAME,...",
                        help="of " + ", ".join(METHODS) + " (default: all)")
    parser.add_argument("--budgets", type=_numbers, default=[0.7, 0.5, 0.3, 0.2, 0.1, 0.05], metavar="X,...",
                        help="shares of the FLOPs to keep (default: 0.7,0.5,0.3,0.2,0.1,0.05)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 .. N-1 (default: 3)")
    parser.add_argument("--samples", type=int, default=512, metavar="N", help="samples that prune (default: 512)")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto", help="default: auto")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--option", action="append", default=[], metavar="--FLAG=VALUE",
                        help="a further flag of kprune-accuracy for every method, such as --option=--ridge=0.01; the "
                        "documentation is left as it is then")
    parser.add_argument("--out", metavar="FILE.json", help="write every run here; after each of them")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/ as it is")
    settings = parser.parse_args(arguments)
    settings.program = os.path.join(os.path.abspath(settings.build), "bin", "kprune-accuracy")
    return settings


def run_method(settings, method, seed):
    """The objects of kprune-accuracy for one method and seed, one a budget."""
    budgets = [b for b in settings.budgets if method != "refit+distill" or b <= _DISTILLED_UP_TO]
    if not budgets:
        return []
    shared = os.path.abspath(settings.shared)
    command = [settings.program, "--model", os.path.join(shared, "models/sst2"),
               "--data", os.path.join(shared, "data/sst2/samples-2048.jsonl"),
               "--eval", os.path.join(shared, "data/sst2/dev.jsonl"), "--samples", str(settings.samples),
               "--max-length", "64", "--budgets", ",".join(str(b) for b in budgets), "--seed", str(seed),
               "--threads", str(settings.threads), *METHODS[method], *settings.option]
    if settings.precision != "auto":
        command += ["--precision", settings.precision]
    print("  " + " ".join([os.path.basename(command[0]), *command[1:]]), file=sys.stderr, flush=True)
    child = run("kprune-accuracy", command)
    rows = [parse_object("kprune-accuracy", line) for line in child.stdout.splitlines()]
    if len(rows) != len(budgets):
        raise BenchError(f"kprune-accuracy printed {len(rows)} results for {len(budgets)} budgets")
    for row in rows:
        for field in ("value", "original"):
            number("kprune-accuracy", row.get("metric"), field)
        for field in ("top1", "kl"):
            number("kprune-accuracy", row.get("agreement"), field, -1e-6)
        number("kprune-accuracy", row, "kept_flops")
        row["method"] = method
    return rows


def mean_and_spread(values):
    """The mean, and the standard deviation over the seeds (0 for one)."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


def summarise(rows):
    """One object a method and budget: means and spreads over the seeds."""
    summary = []
    for method, keep in dict.fromkeys((row["method"], row["keep_flops"]) for row in rows):
        own = [row for row in rows if (row["method"], row["keep_flops"]) == (method, keep)]
        accuracy, spread = mean_and_spread([100 * row["metric"]["value"] for row in own])
        summary.append({"method": method, "keep_flops": keep, "seeds": len(own), "accuracy": accuracy,
                        "spread": spread, "drop": 100 * own[0]["metric"]["original"] - accuracy,
                        "agreement": mean_and_spread([100 * row["agreement"]["top1"] for row in own])[0],
                        "kl": mean_and_spread([row["agreement"]["kl"] for row in own])[0]})
    return summary


def markdown(summary):
    lines = ["| FLOPs kept | method | dev accuracy, mean ± spread | drop, points | agreement on held-out samples | KL |",
             "| --- | --- | --- | --- | --- | --- |"]
    for row in sorted(summary, key=lambda row: (-row["keep_flops"], list(METHODS).index(row["method"]))):
        lines.append(f"| {100 * row['keep_flops']:g} % | {row['method']} | {row['accuracy']:.2f} ± {row['spread']:.2f} | "
                     f"{row['drop']:.2f} | {row['agreement']:.2f} % | {row['kl']:.4f} |")
    return "\n".join(lines) + "\n"


def write_docs(table, summary, original, settings):
    path = os.path.join(_ROOT, "docs", "accuracy.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise BenchError(f"{path} has lost its markers {_BEGIN} and {_END}")
    head, rest = text.split(_BEGIN)
    note = (f"SST-2, MiniLM-L6: {original:.2f} % before pruning. {settings.samples} samples, {settings.seeds} seeds, "
            f"precision {settings.precision}.")
    with open(os.path.join(_ROOT, "docs", "accuracy.svg"), "w", encoding="utf-8") as file:
        file.write(plot(summary, original, list(METHODS)))
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{_BEGIN}\n{note}\n\n{table}\n![Accuracy against FLOPs kept](accuracy.svg)\n"
                   f"{_END}{rest.split(_END)[1]}")


def main(arguments):
    settings = parse_arguments(arguments)
    require_program(settings.program)
    rows = []
    for seed in range(settings.seeds):
        for method in settings.methods:
            rows += run_method(settings, method, seed)
            if settings.out:
                with open(settings.out, "w", encoding="utf-8") as file:
                    json.dump({"schema_version": 1, "rows": rows, "summary": summarise(rows)}, file, indent=2)
    summary = summarise(rows)
    table = markdown(summary)
    print(table)
    if not settings.no_docs and not settings.option:
        write_docs(table, summary, 100 * rows[0]["metric"]["original"], settings)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BenchError as error:
        sys.exit(f"accuracy.py: {error}")
    except KeyboardInterrupt:
        sys.exit("accuracy.py: interrupted")
