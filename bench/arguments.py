"""What the command lines of the benchmarks have in common."""

import argparse


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
