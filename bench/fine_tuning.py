"""What bench/task_models.py fine-tunes models with, and the files that it writes."""

import json
import math
import os
import random
import time

import torch

IGNORED = -100  # the label that no loss counts
_PADDING = {"labels": IGNORED, "attention_mask": 0, "token_type_ids": 0, "input_ids": 0}


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_lines(path, objects):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


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


def imitation_loss(teacher):
    """The cross entropy above, and the squared error of the hidden states behind every layer, relative to their own."""

    def loss_of(model, batch):
        targets = batch.pop("targets")
        given = model(**batch, output_hidden_states=True)
        with torch.inference_mode():
            wanted = teacher(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"].unsqueeze(-1)
        errors = [((a.float() - b).square() * mask).sum() / (b.square() * mask).sum()
                  for a, b in zip(given.hidden_states, wanted)]
        return sum(errors) - (targets * given.logits.float().log_softmax(-1)).sum(-1).mean()

    return loss_of


def train(model, features, *, epochs, batch_size, rate, seed, loss_of=model_loss, float32=False):
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
            with torch.autocast("cpu", torch.bfloat16, enabled=not float32):
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
