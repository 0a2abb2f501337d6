"""The four parts of the benchmark. Each takes the settings and returns a JSON-ready object; docs/benchmark.md
describes them."""

import json
import math
import os
import sys
import tempfile

from children import BenchError, kprune_bench, number, parse_object, run

_HERE = os.path.dirname(os.path.abspath(__file__))
_SEQUENCE_LENGTH = 25.16  # at which the reference counts FLOPs


# --- (a) this engine against the reference ---------------------------------------------------------------------


def why_no_reference(settings):
    """Why part (a) cannot run, as a sentence; "" where it can."""
    for path in ("reference/kprune_ref.py", "models/sst2/config.json", "data/sst2/samples-2048.jsonl",
                 "data/sst2/dev.jsonl"):
        if not os.path.exists(os.path.join(settings.shared, path)):
            return f"{settings.shared} has no {path}; say where it is with --shared"
    try:
        run("python", [settings.python, "-c", "import numpy, torch, transformers"])
    except BenchError:
        return f"{settings.python} has no numpy, torch and transformers; name an interpreter with --python"
    return ""


def _run_reference(settings, seed, samples, folder):
    """One run of the slow reference: (its row, the lines it drew)."""
    notes_file = os.path.join(folder, "notes.json")
    command = [settings.python, os.path.join(_HERE, "reference_run.py"), notes_file, "sst2", "../models/sst2",
               "--constraint", "0.5", "--n", str(samples), "--mode", "kl", "--per_batch", "--mu", "64", "--seed",
               str(seed)]
    print("  kprune_ref.py " + " ".join(command[3:]), file=sys.stderr, flush=True)
    threads = str(settings.threads)
    child = run("kprune_ref.py", command, cwd=os.path.join(settings.shared, "reference"),
                env={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONDONTWRITEBYTECODE": "1",
                     "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})
    lines = child.stdout.strip().splitlines() or [""]
    result = parse_object("kprune_ref.py", lines[-1])
    with open(notes_file, encoding="utf-8") as file:
        notes = parse_object("reference_run.py", file.read())
    above = number("reference_run.py", notes, "peak_bytes") - number("reference_run.py", notes,
                                                                     "resident_after_load_bytes")
    row = {"program": "kprune_ref.py", "method": "kprune", "precision": "fp32", "seed": seed,
           "seconds": number("kprune_ref.py", result, "sec"), "peak_bytes": child.peak_bytes,
           "peak_above_load_bytes": above, "accuracy": number("kprune_ref.py", result.get("res"), "accuracy") / 100,
           "original_accuracy": number("kprune_ref.py", result.get("base"), "accuracy") / 100}
    return row, notes["drawn"]


# What is held against the reference: the paper's method, also measured once a layer and every second layer, and ours
# without and with variants of the samples.
_METHODS = {"kprune": ["--method", "kprune"], "kprune, once a layer": ["--method", "kprune", "--measure-every", "2"],
            "kprune, every second layer": ["--method", "kprune", "--measure-every", "4"],
            "refit, no variants": ["--method", "refit", "--variants", "0"],
            "refit": ["--method", "refit"]}


def _run_engine(settings, seed, method, precision, data):
    flags = ["--model", os.path.join(settings.shared, "models/sst2"), "--data", data, "--eval",
             os.path.join(settings.shared, "data/sst2/dev.jsonl"), "--keep-flops", 0.5, "--max-length", 64,
             "--sequence-length", _SEQUENCE_LENGTH, "--precision", precision, "--seed", seed, "--gemm-seconds", 0]
    result, child = kprune_bench(settings, flags + _METHODS[method])
    return {"program": "kprune-bench", "method": method, "precision": precision, "seed": seed, "seconds": result["prune_seconds"],
            "peak_bytes": child.peak_bytes, "peak_above_load_bytes": result["peak_above_load_bytes"],
            "accuracy": number("kprune-bench", result["accuracy"], "pruned"),
            "original_accuracy": number("kprune-bench", result["accuracy"], "original"),
            "versions": result["versions"]}


def _mean(rows, field):
    return sum(row[field] for row in rows) / len(rows)


def _compare(theirs, ours, method, precision):
    def ratio(field):
        return _mean(theirs, field) / _mean(ours, field) if _mean(ours, field) > 0 else None

    return {"method": method, "precision": precision, "times_faster": ratio("seconds"), "times_less_memory": ratio("peak_bytes"),
            "times_less_memory_above_load": ratio("peak_above_load_bytes"), "accuracy": _mean(ours, "accuracy"),
            "reference_accuracy": _mean(theirs, "accuracy"),
            "accuracy_difference_points": 100 * (_mean(ours, "accuracy") - _mean(theirs, "accuracy"))}


def reference(settings):
    skipped = why_no_reference(settings)
    if skipped:
        print(f"SKIPPED: reference: {skipped}", file=sys.stderr, flush=True)
        return {"skipped": skipped}
    on_cpu = settings.on_device("cpu")
    samples = 32 if settings.smoke else 2048
    with open(os.path.join(settings.shared, "data/sst2/samples-2048.jsonl"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    rows = []
    with tempfile.TemporaryDirectory(prefix="kprune-bench-") as folder:
        data = os.path.join(folder, "drawn.jsonl")
        for seed in range(settings.seeds):
            row, drawn = _run_reference(settings, seed, samples, folder)
            rows.append(row)
            with open(data, "w", encoding="utf-8") as file:
                file.writelines(lines[i] + "\n" for i in drawn)
            rows += [_run_engine(on_cpu, seed, method, precision, data) for method in _METHODS
                     for precision in settings.precisions]
    theirs = [row for row in rows if row["program"] == "kprune_ref.py"]
    comparisons = [
        _compare(theirs, [r for r in rows if (r["program"], r["method"], r["precision"]) ==
                          ("kprune-bench", method, precision)], method, precision)
        for method in _METHODS for precision in settings.precisions
    ]
    return {"samples": samples, "threads": settings.threads, "rows": rows, "comparisons": comparisons}


# --- (b) fraction of the machine's limit -----------------------------------------------------------------------


def _random(samples, tokens, layers, hidden, heads=None):
    return ["--samples", samples, "--tokens", tokens, "--layers", layers, "--hidden", hidden, "--heads",
            heads or hidden // 32]


def _fraction_cases(settings):
    """(name, flags) of the models whose measurement is held against the limit."""
    if settings.smoke:
        return [("random 2 layers x 32", _random(16, 8, 2, 32))]
    model, data = (os.path.join(settings.shared, p) for p in ("models/sst2", "data/sst2/samples-2048.jsonl"))
    if os.path.exists(model) and os.path.exists(data):
        cases = [("SST-2", ["--model", model, "--data", data, "--max-length", 64])]
    else:
        print(f"no {model}: a random model of the same shape stands for it", file=sys.stderr)
        cases = [("SST-2's shape, random", _random(2048, 25, 6, 384))]
    if settings.device == "cpu":
        return cases + [("BERT-base, 512 x 128", _random(512, 128, 12, 768) + ["--sublayers", 2])]
    return cases + [("BERT-base, 2048 x 128", _random(2048, 128, 12, 768))]


def fraction(settings):
    rows = []
    for name, flags in _fraction_cases(settings):
        for precision in settings.precisions:
            result, _ = kprune_bench(settings, flags + ["--precision", precision])
            rows.append({"model": name, **result})
    return {"rows": rows}


# --- (c) scaling, one axis at a time ---------------------------------------------------------------------------

_BASE = {"samples": 512, "tokens": 32, "layers": 6, "hidden": 384}
_AXES = {"samples": [512, 1024, 2048, 4096, 8192, 16384], "tokens": [32, 64, 128, 256, 512],
         "layers": [6, 12, 24], "hidden": [384, 512, 768, 1024]}
_SMOKE_BASE = {"samples": 16, "tokens": 8, "layers": 1, "hidden": 32}
_SMOKE_AXES = {"samples": [16, 32], "tokens": [8, 16], "layers": [1, 2], "hidden": [32, 64]}
_MARGIN = 0.75  # share of the time that a forecast may fill


def _forecast(point, sublayers):
    """What a point costs, in no unit: the targets done times the sublayers above each."""
    d, all_sublayers = point["hidden"], 2 * point["layers"]
    passes = sum(all_sublayers - t for t in range(min(sublayers or all_sublayers, all_sublayers)))
    return point["samples"] * point["tokens"] * (24 * d * d + 4 * point["tokens"] * d) * passes


def choose_sublayers(points, base, base_seconds, seconds):
    """How many sublayers every point does so that all fit into `seconds`; None: all of them."""
    per_cost = base_seconds / _forecast(base, None)
    for sublayers in (None, 6, 4, 2):
        if per_cost * sum(_forecast(point, sublayers) for point in points) <= _MARGIN * seconds:
            return sublayers
    return 1


def exponent(xs, ys):
    """The slope of the least-squares line through (log x, log y); None where a value is not positive."""
    if min(ys) <= 0:
        return None
    xs, ys = [math.log(x) for x in xs], [math.log(y) for y in ys]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - x0) * (y - y0) for x, y in zip(xs, ys)) / sum((x - x0)**2 for x in xs)


def _scaling_row(settings, point, sublayers):
    flags = _random(**point) + ["--precision", settings.precisions[-1], "--gemm-seconds", 0]
    if sublayers:
        flags += ["--sublayers", sublayers]
    result, _ = kprune_bench(settings, flags)
    kept = ("prune_seconds", "measure_seconds", "peak_above_load_bytes", "vm_hwm_bytes", "device_peak_bytes",
            "stopped_after")
    return {**point, **{field: result[field] for field in kept},
            "loading_was_the_peak": result["vm_hwm_bytes"] == result["vm_hwm_after_load_bytes"]}


def scaling(settings):
    base, axes = (_SMOKE_BASE, _SMOKE_AXES) if settings.smoke else (_BASE, _AXES)
    points = [{**base, axis: value} for axis, values in axes.items() for value in values if value != base[axis]]
    base_row = _scaling_row(settings, base, None)
    sublayers = choose_sublayers(points, base, base_row["prune_seconds"], 60 * settings.scaling_minutes)
    if sublayers:
        print(f"every point stops after {sublayers} sublayers: the full ones would take more than "
              f"{settings.scaling_minutes:g} minutes", file=sys.stderr, flush=True)
        base_row = _scaling_row(settings, base, sublayers)
    result = {"precision": settings.precisions[-1], "sublayers": sublayers, "axes": []}
    for axis, values in axes.items():
        rows = [base_row if value == base[axis] else _scaling_row(settings, {**base, axis: value}, sublayers)
                for value in values]
        fitted = {"axis": axis, "time_exponent": exponent(values, [row["prune_seconds"] for row in rows]),
                  "memory_exponent": exponent(values, [row["peak_above_load_bytes"] for row in rows])}
        if base_row["device_peak_bytes"] is not None:
            fitted["device_memory_exponent"] = exponent(values, [row["device_peak_bytes"] for row in rows])
        result["axes"].append({**fitted, "rows": rows})
    return result


# --- (d) a memory limit ----------------------------------------------------------------------------------------


def memory(settings):
    limit_gib = 4
    flags = _random(32, 16, 2, 64) if settings.smoke else _random(16384, 128, 12, 768)
    result, _ = kprune_bench(settings, flags + [
        "--precision", settings.precisions[-1], "--memory-limit", f"{limit_gib}GiB", "--sublayers", 2,
        "--gemm-seconds", 0
    ])
    if result["memory_limit_bytes"] != limit_gib * 2**30:
        raise BenchError(f"kprune-bench understood --memory-limit {limit_gib}GiB as "
                         f"{json.dumps(result['memory_limit_bytes'])} bytes")
    return {**result, "within_limit": result["vm_hwm_bytes"] <= result["memory_limit_bytes"]}


PARTS = {"reference": reference, "fraction": fraction, "scaling": scaling, "memory": memory}
