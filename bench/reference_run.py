"""Runs the reference's kprune_ref.py unchanged, and notes what it does not print.

usage (in the reference's folder): reference_run.py NOTES.json ARGUMENTS-OF-kprune_ref.py

NOTES.json: {"drawn": the lines that it drew, "resident_after_load_bytes": its size when model and samples are in
memory (as it begins to evaluate the original model), "peak_bytes": its largest size}.
"""

import json
import os
import runpy
import sys

import numpy

sys.path.insert(0, os.getcwd())
import data  # the reference's own  # noqa: E402


def memory_bytes(field):
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {field}")


def main():
    notes_file = sys.argv[1]
    sys.argv = ["kprune_ref.py", *sys.argv[2:]]
    notes = {}
    choose, evaluate = numpy.random.choice, data.evaluate

    def choose_and_note(*args, **kwargs):
        drawn = choose(*args, **kwargs)
        notes.setdefault("drawn", drawn.tolist())
        return drawn

    def evaluate_and_note(*args, **kwargs):
        notes.setdefault("resident_after_load_bytes", memory_bytes("VmRSS"))
        return evaluate(*args, **kwargs)

    numpy.random.choice, data.evaluate = choose_and_note, evaluate_and_note
    runpy.run_path("kprune_ref.py", run_name="__main__")
    notes["peak_bytes"] = memory_bytes("VmHWM")
    with open(notes_file, "w", encoding="utf-8") as file:
        json.dump(notes, file)


main()
