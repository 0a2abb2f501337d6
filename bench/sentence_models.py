"""Sentence classifiers of other families, made from a BERT: what bench/task_models.py prunes beside BERT."""

import os
import random

import torch
from transformers import (AlbertConfig, AlbertForSequenceClassification, AutoTokenizer, BertForSequenceClassification,
                          BertModel, DistilBertConfig, DistilBertForSequenceClassification, RobertaConfig,
                          RobertaForSequenceClassification)

from fine_tuning import imitation_loss, outputs, read_lines, report, save_data, save_model, soft_label_loss, train

_CLS, _SEP = 101, 102  # in the vocabulary of uncased BERT

_LAYER_NAMES = {  # of a layer, in BERT and in DistilBERT
    "attention.self.query": "attention.q_lin", "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin", "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm", "intermediate.dense": "ffn.lin1", "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}

_ALBERT_LAYER_NAMES = {
    "attention.self.query": "attention.query", "attention.self.key": "attention.key",
    "attention.self.value": "attention.value", "attention.output.dense": "attention.dense",
    "attention.output.LayerNorm": "attention.LayerNorm", "intermediate.dense": "ffn", "output.dense": "ffn_output",
    "output.LayerNorm": "full_layer_layer_norm",
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


def albert_from(bert, layer=2):
    """ALBERT has one layer for all places, here BERT's third, and projects its embeddings."""
    config = bert.config
    shared = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
              "hidden_act", "layer_norm_eps", "pad_token_id", "max_position_embeddings", "type_vocab_size")
    model = AlbertForSequenceClassification(AlbertConfig(
        **{name: getattr(config, name) for name in shared}, embedding_size=config.hidden_size, num_labels=2,
        classifier_dropout_prob=0, bos_token_id=_CLS, eos_token_id=_SEP))
    found = {"encoder.embedding_hidden_mapping_in.weight": torch.eye(config.hidden_size),
             "encoder.embedding_hidden_mapping_in.bias": torch.zeros(config.hidden_size)}
    for name, tensor in bert.state_dict().items():
        if name.startswith(f"encoder.layer.{layer}."):
            part, kind = name.split(".", 3)[3].rsplit(".", 1)
            found[f"encoder.albert_layer_groups.0.albert_layers.0.{_ALBERT_LAYER_NAMES[part]}.{kind}"] = tensor
        elif name.startswith("embeddings."):
            found[name] = tensor
    missing, unexpected = model.albert.load_state_dict(found, strict=False)
    if unexpected or any(not name.startswith("pooler.") for name in missing):
        raise SystemExit(f"AlbertForSequenceClassification: missing {missing}, unexpected {unexpected}")
    return model


@torch.inference_mode()
def require_same_encoder(bert, model):
    """The renamed encoder must give what BERT's does."""
    ids = torch.tensor([[_CLS, *range(2000, 2040), _SEP]])
    difference = (bert.eval()(ids).last_hidden_state - model.base_model.eval()(ids).last_hidden_state).abs().max()
    if not difference < 1e-4:
        raise SystemExit(f"{type(model).__name__}: the renamed encoder is off by {difference}")


def fragments(texts, seed, each):
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


def distilled_features(tokenizer, lines, teacher, seed, each):
    """Labelled sentences, half their label and half the teacher's view; and fragments as the teacher sees them."""
    texts = [line["text"] for line in lines]
    features = class_features(tokenizer, texts + fragments(texts, seed, each))
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


def make_sentence_classification(convert, imitate=False, each=4):
    """A model of another family with the base's encoder; or, with `imitate`, one that learns to be like the teacher's."""

    def make(settings, folder):
        tokenizer = AutoTokenizer.from_pretrained(settings.base, model_input_names=["input_ids", "attention_mask"])
        lines = read_lines(os.path.join(settings.sst2, "samples-2048.jsonl"))
        dev = read_lines(os.path.join(settings.sst2, "dev.jsonl"))
        bert = BertModel.from_pretrained(settings.base)
        model = convert(bert)
        if not imitate:
            require_same_encoder(bert, model)
        save_data(folder, {"samples": lines, "dev": dev})
        teacher = BertForSequenceClassification.from_pretrained(settings.teacher)
        features = distilled_features(tokenizer, lines, teacher, settings.seed, each)
        minutes = train(model, features, epochs=2, batch_size=32, rate=5e-4 if imitate else 2e-4,
                        seed=settings.seed, loss_of=imitation_loss(teacher.eval()) if imitate else soft_label_loss,
                        float32=settings.float32)
        save_model(folder, model, tokenizer)
        report(folder, evaluate_sentences(model, tokenizer, dev), minutes)

    return make
