"""The benchmark's document as Markdown."""


def _table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "| " + " | ".join("---" for _ in headings) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _figure(value, form="{:.2f}"):
    return "not measured" if value is None else form.format(value)


def _mib(value):
    return _figure(None if value is None else value / 2**20, "{:.0f}")


def _reference(part):
    if "skipped" in part:
        return f"SKIPPED: {part['skipped']}\n"
    rows = [[row["program"], row["method"], row["precision"], str(row["seed"]), _figure(row["seconds"]), _mib(row["peak_bytes"]),
             _mib(row["peak_above_load_bytes"]), _figure(100 * row["accuracy"])] for row in part["rows"]]
    text = f"{part['samples']} samples of SST-2, keep 0.5, {part['threads']} threads each.\n\n"
    text += _table(["program", "method", "precision", "seed", "seconds", "peak MiB", "above load MiB", "dev accuracy %"], rows)
    rows = [[c["method"], c["precision"], _figure(c["times_faster"]), _figure(c["times_less_memory"]),
             _figure(c["times_less_memory_above_load"]), _figure(c["accuracy_difference_points"], "{:+.2f}")]
            for c in part["comparisons"]]
    return text + "\n" + _table(
        ["kprune-bench against kprune_ref.py", "precision", "times faster", "times less peak memory",
         "times less above load", "accuracy difference, points"], rows)


def _fraction(part):
    rows = [[row["model"], row["precision"], row["device_name"],
             "all" if row["stopped_after"] is None else f"first {row['stopped_after']}",
             _figure(row["prune_seconds"]), _figure(row["measure_seconds"]),
             _figure(row["analytic_measure_flops"] / row["measure_seconds"] / 1e9, "{:.0f}"),
             _figure(row["gemm_rate_flops"] / 1e9, "{:.0f}"), _figure(row["fraction_of_limit"]),
             _figure(row["solve_seconds"], "{:.3f}")]
            for row in part["rows"]]
    return _table(["model", "precision", "device", "sublayers", "seconds", "measuring", "GFLOP/s measuring",
                   "GFLOP/s of plain GEMM", "fraction of the limit", "solving one sublayer, s"], rows)


def _scaling(part):
    done = ("Every point is a whole run." if part["sublayers"] is None else
            f"Every point stops after its first {part['sublayers']} sublayers (fewer where a model has fewer); along "
            "the layers, that is a smaller share of the deeper models.")
    on_device = "device_memory_exponent" in part["axes"][0]
    rows = []
    for axis in part["axes"]:
        for row in axis["rows"]:
            loading = " (loading)" if row["loading_was_the_peak"] else ""
            rows.append([axis["axis"], str(row[axis["axis"]]),
                         "all" if row["stopped_after"] is None else f"first {row['stopped_after']}",
                         _figure(row["prune_seconds"]), _mib(row["peak_above_load_bytes"]) + loading] +
                        ([_mib(row["device_peak_bytes"])] if on_device else []))
    text = f"Precision {part['precision']}. {done}\n\n"
    text += _table(["axis", "value", "sublayers", "seconds", "peak MiB above load"] +
                   (["device peak MiB"] if on_device else []), rows)
    rows = [[axis["axis"], _figure(axis["time_exponent"]), _figure(axis["memory_exponent"])] +
            ([_figure(axis["device_memory_exponent"])] if on_device else []) for axis in part["axes"]]
    return text + "\n" + _table(["axis", "time grows with the power", "memory grows with the power"] +
                                (["device memory grows with the power"] if on_device else []), rows)


def _memory(part):
    rows = [[f"{part['samples']} samples of {part['tokens'] // part['samples']} tokens, {part['layers']} layers, "
             f"{part['hidden']} wide",
             part["precision"], "all" if part["stopped_after"] is None else f"first {part['stopped_after']}",
             _mib(part["memory_limit_bytes"]), part["plan"]["streams"], _mib(part["plan"]["predicted_peak_bytes"]),
             _mib(part["vm_hwm_bytes"]), "yes" if part["within_limit"] else "NO",
             _figure(part["prune_seconds"])]]
    return _table(["run", "precision", "sublayers", "limit MiB", "streams in", "predicted MiB", "VmHWM MiB",
                   "within the limit", "seconds"], rows)


_TITLES = {"reference": ("Against the reference", _reference), "fraction": ("Fraction of the limit", _fraction),
           "scaling": ("Scaling", _scaling), "memory": ("Under a memory limit", _memory)}


def markdown(document):
    machine = document["machine"]
    text = (f"# Benchmark of {document['date']}{' (smoke: figures mean nothing)' if document['smoke'] else ''}\n\n"
            f"{machine['cpu_model']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, torch "
            f"{machine['torch'] or 'unknown'}; load average before {machine['load_average']:.2f}; "
            f"{document['seconds']:.0f} s in all.\n")
    for name, part in document["parts"].items():
        title, body = _TITLES[name]
        text += f"\n## {title}\n\n{body(part)}"
    return text
