"""Writes the folders beside this file: tiny random checkpoints with the outputs that transformers gives for them.

    python make_goldens.py               # transformers 4.57 (nomic_bert: 5.23), torch 2.x, safetensors
    python make_goldens.py roberta ...   # the folders of a family, or one of CASES, alone

Every folder is a model as save_pretrained writes it, and golden.safetensors: input_ids, attention_mask and
token_type_ids [N, S] (int64, padded on the right), output [N, C] (float32; logits, or pooled embeddings; of tasks with
outputs for every token those of all tokens, row after row; of multiple choice rows 2i and 2i + 1 are two choices). All
parameters are redrawn wide, biases and norms included, so that a wrong activation, mask, epsilon or order of
projections shows far above rounding. 16-bit checkpoints: the golden runs the rounded weights in float32.
Of families of images golden.safetensors has pixel_values [N, channels, height, width] instead.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
VOCABULARY, POSITIONS, HIDDEN, NEURONS = 40, 24, 16, 32
LENGTHS = [9, 1, 24, 5, 14, 9, 3]  # one token, and every position

BERT = dict(family="bert", heads=4, layers=2, activation="gelu")
DISTILBERT = dict(family="distilbert", heads=2, layers=2, activation="gelu")
CASES = {
    "bert_single_label": BERT | dict(task="single_label_classification", labels=3),
    "bert_multi_label": BERT | dict(task="multi_label_classification", labels=4, activation="gelu_new"),
    "bert_regression": BERT | dict(task="regression", labels=1, activation="relu", heads=1),
    "bert_embedding_mean": BERT | dict(task="embedding", pooling="mean", normalize=True, activation="silu"),
    "bert_embedding_cls": BERT | dict(task="embedding", pooling="cls", layers=1, heads=8),
    "bert_embedding_last": BERT | dict(task="embedding", pooling="lasttoken", layers=1),
    "bert_embedding_max": BERT | dict(task="embedding", pooling="max_tokens", layers=1, normalize=True),
    "bert_embedding_sqrt": BERT | dict(task="embedding", pooling="mean_sqrt_len_tokens", layers=1),
    "bert_fp16": BERT | dict(task="single_label_classification", labels=2, dtype=torch.float16),
    "bert_bf16_sharded": BERT | dict(task="single_label_classification", labels=2, dtype=torch.bfloat16, shard="8KB"),
    "distilbert_single_label": DISTILBERT | dict(task="single_label_classification", labels=3),
    "distilbert_embedding": DISTILBERT | dict(task="embedding", pooling=None, activation="relu"),
}


def make_config(case):
    if case["family"] == "bert":
        config = transformers.BertConfig(
            vocab_size=VOCABULARY, max_position_embeddings=POSITIONS, hidden_size=HIDDEN, intermediate_size=NEURONS,
            num_attention_heads=case["heads"], num_hidden_layers=case["layers"], hidden_act=case["activation"])
    else:
        config = transformers.DistilBertConfig(
            vocab_size=VOCABULARY, max_position_embeddings=POSITIONS, dim=HIDDEN, hidden_dim=NEURONS,
            n_heads=case["heads"], n_layers=case["layers"], activation=case["activation"])
    if case["task"] != "embedding":
        config.num_labels = case["labels"]
        config.problem_type = case["task"]
    config._attn_implementation = "eager"
    return config


def make_model(case):
    config = make_config(case)
    kind = transformers.AutoModel if case["task"] == "embedding" else transformers.AutoModelForSequenceClassification
    model = kind.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm_scale = ("LayerNorm" in name or "layer_norm" in name) and name.endswith("weight")
            parameter.normal_(1.0 if is_norm_scale else 0.0, 0.3)
            parameter.copy_(parameter.to(case.get("dtype", torch.float32)).float())
    return model


def make_inputs():
    """Ragged rows; rows 0, 2 and 4 are pairs: type 1 from the middle on."""
    ids = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.int64)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        ids[row, :length] = torch.randint(1, VOCABULARY, (length,))
        mask[row, :length] = 1
        if row % 2 == 0 and row < 6:
            types[row, length // 2:length] = 1
    return ids, mask, types


def pool(states, mask, case):
    if case["pooling"] == "cls":
        pooled = states[:, 0]
    elif case["pooling"] == "lasttoken":
        pooled = states[torch.arange(len(states)), mask.sum(1) - 1]
    elif case["pooling"] == "max_tokens":
        pooled = states.masked_fill(mask.unsqueeze(-1) == 0, -1e9).max(1).values
    elif case["pooling"] == "mean_sqrt_len_tokens":
        pooled = (states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).float().sqrt()
    else:
        weights = mask.unsqueeze(-1).float()
        pooled = (states * weights).sum(1) / weights.sum(1)
    return torch.nn.functional.normalize(pooled, dim=1) if case.get("normalize") else pooled


def write_modules(folder, case):
    """modules.json as sentence-transformers writes it."""
    package = "sentence_transformers.models."
    modules = [dict(idx=0, name="0", path="", type=package + "Transformer"),
               dict(idx=1, name="1", path="1_Pooling", type=package + "Pooling")]
    if case.get("normalize"):
        modules.append(dict(idx=2, name="2", path="2_Normalize", type=package + "Normalize"))
    (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    (folder / "1_Pooling").mkdir()
    name = {"cls": "cls_token", "mean": "mean_tokens"}.get(case["pooling"], case["pooling"])
    modes = {f"pooling_mode_{mode}": mode == name
             for mode in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")}
    if name not in ("cls_token", "mean_tokens"):
        modes |= {"pooling_mode_lasttoken": name == "lasttoken"}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps(dict(word_embedding_dimension=HIDDEN) | modes, indent=2) + "\n")


def write_case(name, case):
    torch.manual_seed(sum(map(ord, name)))
    model = make_model(case)
    ids, mask, types = make_inputs()
    inputs = dict(input_ids=ids, attention_mask=mask)
    if case["family"] == "bert":
        inputs["token_type_ids"] = types
    with torch.no_grad():
        result = model(**inputs)
    output = pool(result.last_hidden_state, mask, case) if case["task"] == "embedding" else result.logits
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(case.get("dtype", torch.float32)).save_pretrained(folder, max_shard_size=case.get("shard", "1GB"))
    if case.get("pooling"):
        write_modules(folder, case)
    save_file(dict(input_ids=ids, attention_mask=mask, token_type_ids=types, output=output.contiguous()),
              folder / "golden.safetensors")
    print(name, tuple(output.shape), "largest output", round(output.abs().max().item(), 3))


# Every family with every task, smaller still: folders FAMILY_TASK.
SMALL = dict(vocab_size=32, hidden_size=8, intermediate_size=12, num_attention_heads=2, num_hidden_layers=2)
TEXT = SMALL | dict(max_position_embeddings=16, pad_token_id=0)
ROBERTA = SMALL | dict(max_position_embeddings=18, pad_token_id=1, type_vocab_size=1)
DEBERTA = TEXT | dict(relative_attention=True, pos_att_type=["c2p", "p2c"])
FAMILIES = {
    "albert": TEXT | dict(embedding_size=6, num_hidden_layers=3, num_hidden_groups=1, hidden_act="gelu_new"),
    "bert": TEXT,
    "camembert": ROBERTA,
    # As DeBERTa v3 has it.
    "deberta-v2": DEBERTA | dict(share_att_key=True, position_buckets=4, norm_rel_ebd="layer_norm", type_vocab_size=0,
                                 position_biased_input=False),
    "distilbert": dict(vocab_size=32, dim=8, hidden_dim=12, n_heads=2, n_layers=2, max_position_embeddings=16),
    "electra": TEXT | dict(embedding_size=6),
    "gte": ROBERTA,  # transformers 5
    "modernbert": TEXT | dict(local_attention=6, global_attn_every_n_layers=2, reference_compile=False,
                              bos_token_id=0, eos_token_id=1, cls_token_id=2, sep_token_id=3),
    "mpnet": ROBERTA,
    "nomic_bert": TEXT,  # transformers 5
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA | dict(layer_norm_eps=1e-5),
}
# Pictures that are no squares, in patches that are none.
IMAGES = dict(hidden_size=8, intermediate_size=12, num_attention_heads=2, num_hidden_layers=2, image_size=(8, 12),
              patch_size=(4, 3), num_channels=3)
IMAGE_FAMILIES = {
    "deit": IMAGES,
    "vit": IMAGES,
}
IMAGE_TASKS = {
    "feature-extraction": transformers.AutoModel,
    "image-classification": transformers.AutoModelForImageClassification,
}
TASKS = {
    "feature-extraction": transformers.AutoModel,
    "text-classification": transformers.AutoModelForSequenceClassification,
    "token-classification": transformers.AutoModelForTokenClassification,
    "question-answering": transformers.AutoModelForQuestionAnswering,
    "fill-mask": transformers.AutoModelForMaskedLM,
    "multiple-choice": transformers.AutoModelForMultipleChoice,
}
LABELS = 3
# What transformers has no classes for.
MISSING = {"gte": ("question-answering", "multiple-choice"), "nomic_bert": ("question-answering", "multiple-choice")}


def redraw(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm_scale = "norm" in name.lower() and name.endswith("weight")
            parameter.normal_(1.0 if is_norm_scale else 0.0, 0.4)


def make_rows(rows, columns, vocabulary):
    """Ragged rows, the first of all columns; ids that mean padding to no family are drawn."""
    lengths = [columns, 1] + [2 + 5 * row % (columns - 2) for row in range(rows - 2)]
    ids, mask = torch.zeros(rows, columns, dtype=torch.int64), torch.zeros(rows, columns, dtype=torch.int64)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(4, vocabulary, (length,))
        mask[row, :length] = 1
    return ids, mask


# What else a family's configuration may say: folders of their own.
VARIANTS = {
    "albert_two_groups": ("albert", TEXT | dict(embedding_size=8, num_hidden_layers=4, num_hidden_groups=2)),
    "deberta_v2_own_projections": ("deberta-v2", DEBERTA | dict(pos_att_type="p2c|c2p", position_buckets=-1,
                                                                type_vocab_size=2, hidden_act="relu")),
    "modernbert_mean_with_biases": ("modernbert", FAMILIES["modernbert"] | dict(
        classifier_pooling="mean", classifier_bias=True, attention_bias=True, mlp_bias=True, norm_bias=True,
        classifier_activation="silu", hidden_activation="relu")),
}


def write_family(family, task, name, settings):
    torch.manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, **settings)
    if task in ("text-classification", "token-classification"):
        config.num_labels = LABELS
    config._attn_implementation = "eager"
    model = TASKS[task].from_config(config).eval()
    redraw(model)
    ids, mask = make_rows(6, 16, config.vocab_size)
    padding = getattr(config, "pad_token_id", None) or 0
    inputs = dict(input_ids=ids + (1 - mask) * padding, attention_mask=mask)
    types = torch.zeros_like(ids)
    if getattr(config, "type_vocab_size", 0) > 1:
        types[::2, 7:] = mask[::2, 7:]
        inputs["token_type_ids"] = types
    if task == "multiple-choice":
        inputs = {key: value.view(-1, 2, value.shape[1]) for key, value in inputs.items()}
    with torch.no_grad():
        result = model(**inputs)
    if task == "feature-extraction":
        weights = mask.unsqueeze(-1).float()
        output = (result.last_hidden_state * weights).sum(1) / weights.sum(1)
    elif task == "question-answering":
        output = torch.stack([result.start_logits, result.end_logits], -1)[mask.bool()]
    elif task in ("token-classification", "fill-mask"):
        output = result.logits[mask.bool()]
    elif task == "multiple-choice":
        output = result.logits.view(-1, 1)
    else:
        output = result.logits
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    save_file(dict(input_ids=ids, attention_mask=mask, token_type_ids=types, output=output.contiguous()),
              folder / "golden.safetensors")
    print(name, tuple(output.shape), "largest output", round(output.abs().max().item(), 3))


IMAGE_VARIANTS = {
    "deit_with_teacher": ("deit", transformers.DeiTForImageClassificationWithTeacher, IMAGES),
    "vit_gray_without_qkv_bias": ("vit", transformers.ViTForImageClassification, IMAGES | dict(
        image_size=8, patch_size=4, num_channels=1, qkv_bias=False, hidden_act="relu", layer_norm_eps=1e-6)),
}


def write_image_family(family, kind, name, settings):
    torch.manual_seed(sum(map(ord, name)))
    config = transformers.AutoConfig.for_model(family, **settings)
    config.num_labels = LABELS
    config._attn_implementation = "eager"
    config.architectures = []  # DeiT has two classes for images, and takes the first
    model = (kind.from_config(config) if hasattr(kind, "from_config") else kind(config)).eval()
    redraw(model)
    height, width = config.image_size if isinstance(config.image_size, tuple) else (config.image_size,) * 2
    pixels = torch.randn(6, config.num_channels, height, width)
    with torch.no_grad():
        result = model(pixel_values=pixels)
    output = result.logits if hasattr(result, "logits") else result.last_hidden_state[:, 0]
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    save_file(dict(pixel_values=pixels, output=output.contiguous()), folder / "golden.safetensors")
    print(name, tuple(output.shape), "largest output", round(output.abs().max().item(), 3))


# Names of folders, families or tasks, or none for all of them.
wanted = sys.argv[1:]
for case_name, case_values in CASES.items():
    if not wanted or case_name in wanted:
        write_case(case_name, case_values)
for family_name in FAMILIES:
    for task_name in TASKS:
        if not wanted or family_name in wanted or task_name in wanted:
            if task_name not in MISSING.get(family_name, ()):
                folder_name = f"{family_name}_{task_name}".replace("-", "_")
                write_family(family_name, task_name, folder_name, FAMILIES[family_name])
for variant_name, (family_name, values) in VARIANTS.items():
    if not wanted or variant_name in wanted:
        write_family(family_name, "text-classification", variant_name, values)
for family_name in IMAGE_FAMILIES:
    for task_name, kind in IMAGE_TASKS.items():
        if not wanted or family_name in wanted or task_name in wanted:
            folder_name = f"{family_name}_{task_name}".replace("-", "_")
            write_image_family(family_name, kind, folder_name, IMAGE_FAMILIES[family_name])
for variant_name, values in IMAGE_VARIANTS.items():
    if not wanted or variant_name in wanted:
        write_image_family(values[0], values[1], variant_name, values[2])
