#!/usr/bin/env python3
"""Measures kprune on this machine: against the slow reference, against the machine's own limit, as models and
samples grow, and under a memory limit. Prints Markdown tables; --out gets everything as one JSON document.
docs/benchmark.md says how to read it. Run it on an idle machine."""

import argparse
import copy
import datetime
import json
import os
import platform
import sys
import time

from arguments import benchmark_parser, names_of, positive
from children import BenchError, require_program
from parts import PARTS
from tables import markdown

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Settings(argparse.Namespace):
    def on_device(self, device):
        other = copy.copy(self)
        other.device = device
        return other


def parse_arguments(arguments):
    parser = benchmark_parser(__doc__, _ROOT, "kprune-bench", "reference/, models/sst2 and data/sst2")
    parser.add_argument("--python", default=os.environ.get("KPRUNE_REFERENCE_PYTHON", sys.executable), metavar="PY",
                        help="interpreter with numpy, torch and transformers for the reference (default: "
                        "$KPRUNE_REFERENCE_PYTHON, else this one)")
    parser.add_argument("--out", metavar="FILE.json", help="write the document here; after every part, so that an "
                        "interrupted run keeps what it measured")
    parser.add_argument("--parts", type=names_of(list(PARTS)), default=list(PARTS), metavar="NAME,...",
                        help="of " + ", ".join(PARTS) + " (default: all)")
    parser.add_argument("--precisions", type=names_of(["fp32", "bf16"]), default=["fp32", "bf16"],
                        metavar="NAME,...", help="fp32, bf16 or both; scaling and memory take the last one named "
                        "(default: fp32,bf16)")
    parser.add_argument("--seeds", type=positive(int), default=1, metavar="N",
                        help="seeds 0 .. N-1 of the comparison with the reference (default: 1)")
    parser.add_argument("--threads", type=positive(int), default=2, metavar="N",
                        help="threads of every program (default: 2)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N; the comparison with the reference is "
                        "always on the CPU (default: cpu)")
    parser.add_argument("--scaling-minutes", type=positive(float), default=60, metavar="M",
                        help="time for the scaling table; its points do fewer sublayers where whole runs would "
                        "take longer (default: 60)")
    parser.add_argument("--smoke", action="store_true", help="every part in a tiny form: shows that it works, "
                        "measures nothing")
    settings = parser.parse_args(arguments, namespace=Settings())
    settings.program = os.path.join(os.path.abspath(settings.build), "bin", "kprune-bench")
    settings.shared = os.path.abspath(settings.shared)
    return settings


def _first_line_value(path, key):
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return "unknown"


def describe_machine():
    return {"cpu_model": _first_line_value("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": int(_first_line_value("/proc/meminfo", "MemTotal").split()[0]) * 1024,
            "platform": platform.platform(), "python": platform.python_version(),
            "load_average": os.getloadavg()[0], "torch": None}


def _torch_version(part):
    """The LibTorch that kprune-bench was built with, from any of its objects in a part."""
    for record in [part, *part.get("rows", [])]:
        if "versions" in record:
            return record["versions"].get("torch")
    return None


def _write(path, document):
    """Replaces the file in one step."""
    if path is None:
        return
    partial = path + ".partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, allow_nan=False)
        file.write("\n")
    os.replace(partial, path)


def main(arguments):
    settings = parse_arguments(arguments)
    require_program(settings.program)
    started = time.monotonic()
    document = {"schema_version": 1, "smoke": settings.smoke, "complete": False,
                "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
                "machine": describe_machine(), "threads": settings.threads, "device": settings.device,
                "seconds": 0.0, "parts": {}}
    if document["machine"]["load_average"] > 0.5 and not settings.smoke:
        print("warning: this machine is not idle; times and ratios will be off", file=sys.stderr)
    for name in settings.parts:
        print(name, file=sys.stderr, flush=True)
        part = PARTS[name](settings)
        part_started_at = document["seconds"]
        document["seconds"] = time.monotonic() - started
        document["parts"][name] = {**part, "part_seconds": document["seconds"] - part_started_at}
        document["machine"]["torch"] = document["machine"]["torch"] or _torch_version(part)
        document["complete"] = len(document["parts"]) == len(settings.parts)
        _write(settings.out, document)
    print(markdown(document))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BenchError as error:
        sys.exit(f"bench.py: {error}")
    except KeyboardInterrupt:
        sys.exit("bench.py: interrupted")
