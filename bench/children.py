"""Child processes of the benchmark: one at a time, their output read strictly, their failures one clear sentence."""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


class BenchError(Exception):
    """Ends the benchmark; the message is one sentence for the user."""


@dataclass
class Finished:
    seconds: float
    peak_bytes: int  # largest resident size of the child, as the kernel counted it
    stdout: str


def run(name, command, *, cwd=None, env=None):
    """Runs `command` to its end, with `env` added to ours. BenchError where it cannot start or fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        try:
            child = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=out, stderr=err,
                                     stdin=subprocess.DEVNULL)
        except OSError as error:
            raise BenchError(f"{name} cannot be started: {error}") from error
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")
    if child.returncode != 0:
        ended = (f"was ended by signal {-child.returncode}" if child.returncode < 0
                 else f"failed with exit status {child.returncode}")
        said = [line for line in stderr.splitlines() if line.strip()]
        raise BenchError(f"{name} {ended}: {said[-1] if said else 'it said nothing'}")
    return Finished(seconds, usage.ru_maxrss * 1024, stdout)


def require_program(path):
    if not os.access(path, os.X_OK):
        raise BenchError(f"{path} is not there; build it, or name the build folder with --build")


def _unique(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has a key twice")
    return result


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def parse_object(name, text):
    """The one JSON object that `text` is: no key twice, no NaN, nothing after it."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise BenchError(f"{name} printed something else than JSON: {error}") from error
    if not isinstance(value, dict):
        raise BenchError(f"{name} printed a JSON {type(value).__name__} instead of an object")
    return value


def number(name, record, field, least=0.0):
    """A finite number of at least `least`."""
    value = record.get(field) if isinstance(record, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < least:
        raise BenchError(f"{name}: field {field} is {value!r}; expected is a number of at least {least:g}")
    return value


_TINY = 1e-12  # above 0
_AT_LEAST = {  # every number of kprune-bench's object and its least value
    "threads": 1, "samples": 1, "tokens": 1, "layers": 1, "hidden": 1, "heads": 1, "intermediate": 1,
    "backward_passes": 1, "load_seconds": _TINY, "prune_seconds": _TINY, "measure_seconds": _TINY,
    "search_seconds": 0, "tune_seconds": 0,
    "sequence_length": 1, "memory_limit_bytes": 0, "vm_after_load_bytes": 1, "vm_hwm_after_load_bytes": 1,
    "vm_hwm_bytes": 1, "peak_above_load_bytes": 0,
}
_NULL_OR_AT_LEAST = {
    "stopped_after": 1, "kept_over_budget": 0, "gemm_rate_flops": 1, "fraction_of_limit": _TINY,
    "solve_seconds": _TINY, "device_peak_bytes": 1, "analytic_measure_flops": 1, "analytic_total_flops": 1,
}
_OTHERS = {"method": str, "device": str, "device_name": str, "precision": str, "versions": dict, "plan": dict, "sublayers": list,
           "warnings": list, "gemm_shape": (list, type(None)), "accuracy": (dict, type(None))}


def kprune_bench(settings, flags):
    """Runs kprune-bench with `flags`, the settings' threads and device; returns (its checked object, Finished)."""
    name = "kprune-bench"
    command = [settings.program, "--threads", str(settings.threads), "--device", settings.device]
    command += [str(flag) for flag in flags]
    if settings.smoke and "--gemm-seconds" not in flags:
        command += ["--gemm-seconds", "0.002"]
    print("  " + " ".join(os.path.basename(word) if word == settings.program else word for word in command),
          file=sys.stderr, flush=True)
    child = run(name, command)
    result = parse_object(name, child.stdout)
    for field, least in _AT_LEAST.items():
        number(name, result, field, least)
    for field, least in _NULL_OR_AT_LEAST.items():
        if field not in result or result[field] is not None:
            number(name, result, field, least)
    for field, kind in _OTHERS.items():
        if field not in result or not isinstance(result[field], kind):
            raise BenchError(f"{name}: field {field} is missing or of the wrong type")
    for warning in result["warnings"]:
        print(f"  warning: {warning}", file=sys.stderr)
    print(f"    {result['prune_seconds']:.2f} s, {result['peak_above_load_bytes'] / 2**20:.0f} MiB above load",
          file=sys.stderr, flush=True)
    return result, child
