"""Texts for the opt-in parity run: what Debian's packages hold, and random code points. Deterministic for one machine.

Manual pages in many languages (manpages-de, -fr, -ja, -ru, -zh, ...), word lists (wngerman, wukrainian, ...) and
unicode-data; whatever is installed is used, and at least three languages must be.
"""

import gzip
import pathlib
import random

MANUALS = pathlib.Path("/usr/share/man")
WORDS = pathlib.Path("/usr/share/dict")
EMOJI = pathlib.Path("/usr/share/unicode/emoji/emoji-test.txt")

# Ranges that random text is drawn from; the last is everything.
RANGES = [(0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x900), (0x900, 0xE00),
          (0xE00, 0x1200), (0x1E00, 0x2100), (0x2000, 0x2070), (0x2190, 0x2C00), (0x3000, 0x3400), (0x4E00, 0x5000),
          (0xAC00, 0xAD00), (0xFB00, 0x10000), (0x1F300, 0x1FB00), (0, 0x20), (0x7F, 0xA0), (0, 0x110000)]


def manual_lines(most_files=400):
    """Lines of manual pages, by language."""
    languages = {}
    for folder in sorted(MANUALS.iterdir()):
        language = "en" if folder.name.startswith("man") else folder.name
        files = sorted(folder.rglob("*.gz"))
        for path in random.Random(language).sample(files, min(most_files, len(files))):
            try:
                text = gzip.decompress(path.read_bytes()).decode("utf-8")
            except (UnicodeDecodeError, OSError):
                continue
            lines = [line.strip("\n") for line in text.split("\n") if len(line) > 20 and not line.startswith(".\\\"")]
            languages.setdefault(language, []).extend(lines)
    if len(languages) < 3:
        raise SystemExit("install manual pages of more languages: apt-get install manpages-de manpages-ja manpages-ru ...")
    return languages


def words():
    found = []
    for path in sorted(WORDS.glob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in ("words.pre-dictionaries-common",):
            found += path.read_text(encoding="utf-8", errors="replace").split("\n")[:: 20]
    return [word for word in found if word]


def emoji():
    if not EMOJI.exists():
        return ["\U0001F600", "\U0001F469\u200D\U0001F469\u200D\U0001F467", "\U0001F1E9\U0001F1EA", "\u2615\uFE0F"]
    lines = [line.split(";")[0] for line in EMOJI.read_text(encoding="utf-8").split("\n") if ";" in line and line[0] != "#"]
    return ["".join(chr(int(code, 16)) for code in line.split()) for line in lines]


def training_lines(most=60000):
    rng = random.Random(1)
    lines = [line for group in manual_lines().values() for line in rng.sample(group, min(len(group), 6000))]
    lines += words()[:20000]
    rng.shuffle(lines)
    return lines[:most]


def random_character(rng):
    while True:
        code = rng.randrange(*rng.choice(RANGES))
        if not 0xD800 <= code < 0xE000:
            return chr(code)


class Lines:
    """An endless source of lines of all kinds: real text, mixtures, long words, control characters, special tokens."""

    def __init__(self, seed, specials):
        self.rng = random.Random(seed)
        groups = manual_lines()
        self.real = [line for group in groups.values() for line in group]
        self.words = words() or ["word"]
        self.emoji = emoji()
        self.specials = specials

    def piece(self):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.35:
            return rng.choice(self.words)
        if kind < 0.45:
            return rng.choice(self.words).upper()
        if kind < 0.53:
            return rng.choice(self.emoji)
        if kind < 0.60:
            return rng.choice(self.specials)
        if kind < 0.66:
            return rng.choice(["  ", "\t", "\n", "\r\n", "\u3000", "\u00a0", "\u200b", "\u2581", " \u2581 ", "'s", "''", "``", "..."])
        if kind < 0.72:
            return rng.choice(self.words) + random_character(rng) + rng.choice(self.words)
        if kind < 0.78:
            return str(rng.randrange(10 ** rng.randrange(1, 9))) + rng.choice(["", ",", ".5", "%", "\u00bd"])
        if kind < 0.9:
            return "".join(random_character(rng) for _ in range(rng.randrange(1, 9)))
        return rng.choice("aeo") + "".join(chr(rng.randrange(0x300, 0x370)) for _ in range(rng.randrange(1, 4)))

    def line(self):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.4:
            return rng.choice(self.real)
        if kind < 0.45:
            return rng.choice(self.real) + rng.choice(self.real)
        if kind < 0.47:
            word = rng.choice(self.words) * rng.randrange(1, 120)
            return word[: rng.randrange(1, 2000)]
        if kind < 0.48:
            return random_character(rng) * rng.randrange(1, 300)
        return rng.choice([" ", " ", "", "  "]).join(self.piece() for _ in range(rng.randrange(1, 14)))
