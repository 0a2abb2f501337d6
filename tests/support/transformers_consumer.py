"""What a user of Hugging Face transformers does with a model folder; prints one JSON object.

    transformers_consumer.py outputs FOLDER --inputs FILE [--stock] [--task TASK | --pooling mean|cls]
                                                                          with eager and with fused attention
    transformers_consumer.py train FOLDER --inputs FILE --saved FOLDER    fine-tunes it, saves it and loads it again
    transformers_consumer.py accuracy FOLDER --data FILE                  its own tokenizer, on labelled texts
    transformers_consumer.py sentences FOLDER --data FILE                 embeddings by sentence-transformers
    transformers_consumer.py refusal FOLDER                               what loading without the folder's code says

--inputs has JSON lines {"input_ids": [...], "token_type_ids": [...]} or {"pixel_values": [[[...]]]}, --data has JSON lines {"text": ..., "label": ...}. --stock
takes the class of transformers that config.json names and trusts no code. Outputs are rows: of every input, or of
tasks that say something of tokens of every token of every input; inputs 2i and 2i + 1 are two choices.
"""

import argparse
import json
import sys

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

TASKS = {
    "text-classification": AutoModelForSequenceClassification,
    "token-classification": transformers.AutoModelForTokenClassification,
    "question-answering": transformers.AutoModelForQuestionAnswering,
    "fill-mask": transformers.AutoModelForMaskedLM,
    "multiple-choice": transformers.AutoModelForMultipleChoice,
    "image-classification": transformers.AutoModelForImageClassification,
}


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def batch_of(path, config):
    """All inputs as one padded batch."""
    rows = read_lines(path)
    if "pixel_values" in rows[0]:
        return {"pixel_values": torch.tensor([row["pixel_values"] for row in rows])}
    longest = max(len(row["input_ids"]) for row in rows)

    def padded(values, padding=0):
        return torch.tensor([row + [padding] * (longest - len(row)) for row in values])

    batch = {
        "input_ids": padded([row["input_ids"] for row in rows], config.pad_token_id or 0),
        "attention_mask": padded([[1] * len(row["input_ids"]) for row in rows]),
    }
    if getattr(config, "type_vocab_size", 0) > 1:
        batch["token_type_ids"] = padded([row["token_type_ids"] for row in rows])
    return batch


def load(folder, attention="sdpa", stock=False, encoder=False, task="text-classification"):
    """As a user does, but no weight may be missing, left over or of another shape."""
    cls = AutoModel if encoder else TASKS[task]
    if stock:
        cls = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
    trust = {} if stock else {"trust_remote_code": True}
    model, told = cls.from_pretrained(folder, attn_implementation=attention, output_loading_info=True, **trust)
    # A base model alone needs no head, and a checkpoint for one may have no pooler.
    left_over = [name for name in told["unexpected_keys"] if not (encoder and "classifier" in name)]
    missing = [name for name in told["missing_keys"] if not (encoder and "pooler" in name)]
    assert not missing and not left_over and not told["mismatched_keys"], told
    assert stock or type(model).__module__.endswith("modeling_kprune"), type(model)
    assert model.config._attn_implementation == attention
    return model.eval().float()


def run(model, batch, pooling, task):
    """Rows of outputs."""
    if pooling == "cls":
        return model(**batch).last_hidden_state[:, 0]
    if task == "image-classification":
        return model(**batch).logits
    mask = batch["attention_mask"].bool()
    if pooling is None and task == "question-answering":
        result = model(**batch)
        return torch.stack([result.start_logits, result.end_logits], -1)[mask]
    if pooling is None and task == "multiple-choice":
        return model(**{name: rows.view(-1, 2, rows.shape[1]) for name, rows in batch.items()}).logits.view(-1, 1)
    if pooling is None:
        logits = model(**batch).logits
        return logits if logits.dim() == 2 else logits[mask]
    states, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
    return (states * mask).sum(1) / mask.sum(1)


@torch.no_grad()
def outputs(arguments):
    told = {"version": transformers.__version__}
    architecture = getattr(transformers, AutoConfig.from_pretrained(arguments.folder).architectures[0])
    for attention in ("sdpa", "eager"):
        if attention == "sdpa" and not architecture._supports_sdpa:
            continue
        model = load(arguments.folder, attention, arguments.stock, arguments.pooling is not None, arguments.task)
        batch = batch_of(arguments.inputs, model.config)
        told[attention] = run(model, batch, arguments.pooling, arguments.task).tolist()
    # There are attention probabilities and hidden states of every layer, also of one without heads.
    if arguments.task == "multiple-choice":
        batch = {name: rows.unsqueeze(1) for name, rows in batch.items()}
    seen = model(**batch, output_attentions=True, output_hidden_states=True)
    told["layers"] = [len(seen.attentions), len(seen.hidden_states) - 1]
    told["parameters"] = sum(weight.numel() for weight in model.parameters())
    return told


def train(arguments):
    torch.manual_seed(0)
    model = load(arguments.folder, task=arguments.task)
    batch = batch_of(arguments.inputs, model.config)
    labels = torch.arange(len(next(iter(batch.values())))) % model.config.num_labels

    def loss():
        return model(**batch, labels=labels).loss

    with torch.no_grad():
        before = loss().item()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    untouched = set()
    for _ in range(30):
        loss().backward()
        untouched |= {name for name, weight in model.named_parameters() if weight.grad is None}
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        trained = model(**batch).logits
        after = loss().item()
        model.save_pretrained(arguments.saved)
        again = load(arguments.saved)(**batch).logits
    return {
        "without_gradient": sorted(untouched),
        "loss": [before, after],
        "trained": trained.tolist(),
        "loaded_again": again.tolist(),
    }


@torch.no_grad()
def accuracy(arguments):
    rows = read_lines(arguments.data)
    tokenizer = AutoTokenizer.from_pretrained(arguments.folder)
    model = load(arguments.folder)
    right = 0
    for start in range(0, len(rows), 32):
        some = rows[start : start + 32]
        batch = tokenizer([row["text"] for row in some], padding=True, truncation=True, return_tensors="pt")
        predicted = model(**batch).logits.argmax(-1)
        right += sum(int(p) == row["label"] for p, row in zip(predicted, some))
    return {"accuracy": right / len(rows), "n": len(rows)}


def sentences(arguments):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(arguments.folder, trust_remote_code=True, device="cpu")
    assert type(model[0].auto_model).__module__.endswith("modeling_kprune"), type(model[0].auto_model)
    return {"embeddings": model.encode([row["text"] for row in read_lines(arguments.data)]).tolist()}


def refusal(arguments):
    try:
        AutoModelForSequenceClassification.from_pretrained(arguments.folder)
    except Exception as error:  # whatever it says is told
        return {"error": str(error)}
    return {"error": None}


def main():
    commands = {"outputs": outputs, "train": train, "accuracy": accuracy, "sentences": sentences, "refusal": refusal}
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=commands)
    parser.add_argument("folder")
    parser.add_argument("--inputs")
    parser.add_argument("--data")
    parser.add_argument("--saved")
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--pooling", choices=["mean", "cls"])
    parser.add_argument("--task", choices=TASKS, default="text-classification")
    arguments = parser.parse_args()
    json.dump(commands[arguments.command](arguments), sys.stdout)


if __name__ == "__main__":
    main()
