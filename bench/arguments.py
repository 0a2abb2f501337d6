"""What the command lines of the benchmarks have in common."""

import argparse
import os


def names_of(accepted):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in accepted:
                raise argparse.ArgumentTypeError(f"{name!r} is unknown; accepted are {', '.join(accepted)}")
        return names

    return parse


def positive(kind):
    def parse(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    return parse


def benchmark_parser(description, root, program, shared):
    """A parser with --build, the build folder that has bin/`program`, and --shared, the folder with `shared`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", default=os.path.join(root, "build", "release"), metavar="DIR",
                        help=f"build folder with bin/{program} (default: %(default)s)")
    parser.add_argument("--shared", default=os.path.join(root, "..", "shared"), metavar="DIR",
                        help=f"folder with {shared} (default: %(default)s)")
    return parser
