"""The data sets that task_models.py trains its models on."""

import collections
import os
import random
import re

_SAMPLES = 2048  # lines to prune with

ENTITY_TAGS = ["O"] + [f"{prefix}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for prefix in "BI"]


# Named entities

def _conll_sentences(path):
    with open(path, encoding="utf-8") as file:
        blocks = file.read().split("\n\n")
    sentences = []
    for block in blocks:
        rows = [line.split() for line in block.splitlines() if line and not line.startswith("-DOCSTART-")]
        if rows:
            sentences.append({"tokens": [row[0] for row in rows], "tags": [row[-1] for row in rows]})
    return sentences


def named_entities(folder, seed):
    """CoNLL-2003's training sentences, a draw of them to prune with, and those of its validation set that are new."""
    train = _conll_sentences(os.path.join(folder, "train.txt"))
    known = {tuple(each["tokens"]) for each in train}
    dev = [each for each in _conll_sentences(os.path.join(folder, "valid.txt")) if tuple(each["tokens"]) not in known]
    return {"train": train, "samples": random.Random(seed).sample(train, _SAMPLES), "dev": dev}


# Questions over WordNet's definitions

_PERSON, _PLACES = (18,), (15, 17)  # lexicographer files of data.noun
_MIX = (("person", 0.45), ("place", 0.25), ("thing", 0.3))  # what the questions are about
_TRAIN, _DEV, _DEV_SHARE = 8000, 1000, 0.12
_SENTENCES, _WORDS = (3, 5), 95  # of a context

_NAME = r"(?:(?:[A-Z][\w'’.-]*|of|the|and|de) )*[A-Z][\w'’-]*"
_PLACE = re.compile(rf"\b(?:in|on|off|near|between) ((?:the )?(?:[a-z]+ern |central )?{_NAME})")
_YEARS = re.compile(r"\((\d{3,4})-(\d{3,4})\)$")
_NATION = re.compile(r"^(United States|[A-Z][a-z]+) [a-z]")
_TRADE = re.compile(r"^(?:(?:an?|the) )?(?:United States |[A-Z][a-z]+ )?([a-z]+(?: [a-z]+){0,4}?)"
                    r"(?= (?:who|noted|born|remembered|known|whose|in|of|at|best|during|for|and who)\b| ?[;(,]|$)")
_CLAUSE = re.compile(r"\b(?:who|that|which) ([a-z]+ [^;:,()]{8,70}?)(?= \(|[;:,)]|$)")


def _synset(line):
    """One noun of WordNet: its names, its definition (less the examples), and the synsets above it."""
    head, _, gloss = line.partition(" | ")
    fields = head.split()
    count = int(fields[3], 16)
    pointers = fields[5 + 2 * count:]
    return {"id": fields[0], "file": int(fields[1]), "instance": "@i" in pointers,
            "names": [word.replace("_", " ") for word in fields[4:4 + 2 * count:2]],
            "above": [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")],
            "definition": re.split(r'[;:,]? *"', gloss.strip())[0].strip(" ;:,")}


def _kind(synset):
    if not synset["instance"]:
        return "thing"
    return "person" if synset["file"] in _PERSON else "place" if synset["file"] in _PLACES else None


def _entries(folder):
    """The synsets to ask about, each with its kind, the words for its hypernyms, and the name that contexts use."""
    with open(os.path.join(folder, "data.noun"), encoding="utf-8") as file:
        synsets = {each["id"]: each for each in map(_synset, (line for line in file if not line.startswith("  ")))}
    entries = []
    for each in synsets.values():
        kind = _kind(each)
        if kind and each["above"] and 4 <= len(each["definition"].split()) <= 40 and each["definition"][0] != "(":
            name = max(each["names"][:3], key=len) if kind == "person" else each["names"][0]
            hypernyms = [name for above in each["above"] for name in synsets[above]["names"]]
            entries.append({**each, "kind": kind, "name": name, "hypernyms": hypernyms})
    return entries


def _with_article(definition):
    first = definition.split()[0]
    if first.lower() in ("a", "an", "the", "any", "one", "either", "both", "each"):
        return definition
    return ("an " if first[0] in "AEIOaeio" else "a ") + definition


def _sentence(entry, draw):
    name, definition = entry["name"], entry["definition"]
    if entry["kind"] == "thing":
        forms = [f"{name[0].upper() + name[1:]}: {definition}.", f"The word {name} means {definition}."]
    else:
        forms = [f"{name} {'was' if entry['kind'] == 'person' else 'is'} {_with_article(definition)}.",
                 f"{name}: {definition}."]
    return draw.choice(forms)


def _about(entry):
    """(question, answer) pairs where {} stands for a name of the entry, and the answer is a part of its sentence."""
    definition, kind = entry["definition"], entry["kind"]
    pairs = []

    def add(question, match, group=1):
        if match:
            pairs.append((question, match.group(group).strip()))

    if kind == "person":
        add("When was {} born?", _YEARS.search(definition))
        add("In what year did {} die?", _YEARS.search(definition), 2)
        add("What was the nationality of {}?", _NATION.search(definition))
        add("What was the profession of {}?", _TRADE.search(definition))
    elif kind == "place":
        add("Where is {}?", _PLACE.search(definition))
    else:
        pairs.append(("What is the meaning of {}?", re.split(r" ?[;:(]", definition)[0]))
    if kind != "person":
        for hypernym in entry["hypernyms"]:
            add("What kind of %s is {}?" % ("place" if kind == "place" else "thing"),
                re.search(rf"\b({re.escape(hypernym)})\b", definition))
    return pairs


def _naming(entry):
    """Questions whose answer is the entry's name."""
    definition = _YEARS.sub("", entry["definition"]).strip()
    found = []
    for clause in _CLAUSE.findall(definition)[:1]:
        found.append(f"{'Who' if entry['kind'] == 'person' else 'What'} {clause.strip()}?")
    for part in definition.split("; ")[1:]:
        if len(part.split()) >= 3:
            found.append(f"{'Who' if entry['kind'] == 'person' else 'What'} is described as {part}?")
    return [(question, None) for question in found if entry["name"].lower() not in question.lower()]


def _question(entry, draw):
    """A question about an entry, or None: its wording, and its answer or None for the entry's name."""
    about, naming = _about(entry), _naming(entry)
    choices = naming if naming and (not about or draw.random() < 0.5) else about
    if not choices:
        return None
    question, answer = draw.choice(choices)
    names = [name for name in entry["names"][:3] if entry["kind"] == "thing" or name[0].isupper()] or [entry["name"]]
    return question.format(draw.choice(names)) if answer else question, answer


def _context(entry, others, draw):
    """Sentences about an entry and some others in a random order, and where the entry's sentence begins."""
    sentences, words = [], len(entry["definition"].split())
    for other in others:
        words += len(other["definition"].split()) + 3
        shares = {name.lower() for name in other["names"]} & {name.lower() for name in entry["names"]}
        if other["id"] != entry["id"] and not shares and words <= _WORDS:
            sentences.append(_sentence(other, draw))
    own, place = _sentence(entry, draw), draw.randrange(len(sentences) + 1)
    sentences.insert(place, own)
    return " ".join(sentences), sum(len(each) + 1 for each in sentences[:place]), own


def _example(entry, pools, draw):
    asked = _question(entry, draw)
    if asked is None:
        return None
    siblings = pools[entry["above"][0], entry["kind"]]
    pool = siblings if len(siblings) > 8 else pools[entry["kind"]]
    context, begin, own = _context(entry, draw.sample(pool, draw.randint(*_SENTENCES)), draw)
    question, answer = asked
    answer = answer or entry["name"]
    # The answer is looked for after the name, unless it is the name itself.
    after = 0 if asked[1] is None else own.lower().index(entry["name"].lower()) + len(entry["name"])
    at = own.lower().find(answer.lower(), after)
    if at < 0:
        return None
    text = own[at:at + len(answer)]
    return {"question": question, "context": context, "answers": {"text": [text], "answer_start": [begin + at]}}


def _examples(entries, count, draw, prefix):
    pools = collections.defaultdict(list)
    for each in entries:
        pools[each["kind"]].append(each)
        pools[each["above"][0], each["kind"]].append(each)
    kinds, weights = zip(*_MIX)
    found, seen = [], set()
    while len(found) < count:
        example = _example(draw.choice(pools[draw.choices(kinds, weights)[0]]), pools, draw)
        if example and (example["question"], example["answers"]["text"][0]) not in seen:
            seen.add((example["question"], example["answers"]["text"][0]))
            found.append({"id": f"{prefix}-{len(found)}", **example})
    return found


def questions(folder, seed):
    """Questions over contexts of WordNet's definitions; a synset of the development set is in no other one."""
    draw = random.Random(seed)
    entries = _entries(folder)
    draw.shuffle(entries)
    held_out = int(_DEV_SHARE * len(entries))
    train = _examples(entries[held_out:], _TRAIN, draw, "train")
    dev = _examples(entries[:held_out], _DEV, draw, "dev")
    return {"train": train, "samples": draw.sample(train, _SAMPLES), "dev": dev}
