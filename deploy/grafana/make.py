#!/usr/bin/env python3
"""Writes the dashboards beside it: Grafana's JSON is what is imported, this is what people read and change.

usage: make.py [--check]      --check writes nothing and fails where a file differs from what would be written

Every panel has a sentence of description, a unit, and expressions of documented series (docs/metrics.md). Two variables choose what
is shown: `instance` (servers) and `window`, the time over which rare things such as jobs are counted. Time series of what happens often
(calls, bytes) use Grafana's own $__rate_interval.
"""
import json
import pathlib
import sys

from dashboards import devices, job, overview, storage

FOLDER = pathlib.Path(__file__).parent


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    differing = []
    for dashboard in (overview.DASHBOARD, job.DASHBOARD, storage.DASHBOARD, devices.DASHBOARD):
        file = FOLDER / (dashboard["uid"] + ".json")
        text = json.dumps(dashboard, indent=2) + "\n"
        if not file.exists() or file.read_text() != text:
            differing.append(file.name)
            if not arguments:
                file.write_text(text)
    if arguments and differing:
        sys.exit("not what make.py writes: " + ", ".join(differing))


if __name__ == "__main__":
    main(sys.argv[1:])
