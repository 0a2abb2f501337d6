"""Loads a model that kprune has pruned, in Hugging Face transformers (4.57 and 5.x).

    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)

(or AutoModelForImageClassification, or the class of another task).

The classes below are those of transformers, under their own names. Only the sizes of their projections differ: every
layer has the attention heads and the intermediate neurons that config.json counts under "kprune":

    "kprune": {"kept_heads": [[0, 3, ...], [], ...], "neurons": [811, 64, ...], ...}     one of each for every layer

So everything that a stock model can do works as well: training, save_pretrained, eager and fused attention.
"""

import inspect
from dataclasses import dataclass, replace

import torch
import transformers
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Family:
    """Where a family keeps what pruning makes smaller, by default as BERT; modules of a layer are named from the layer."""

    classes: str  # what the names of its classes begin with
    layers: str = "encoder.layer"  # the list of layers, in the base model
    attention: str = "attention.self"  # the module that splits its projections into heads...
    heads: str = "num_attention_heads"  # ... and what it calls their number, if it has one...
    width: str = "all_head_size"  # ... and their width together
    projections: tuple = ("attention.self.query", "attention.self.key", "attention.self.value")  # or one of all three
    positions: tuple = ()  # projections of relative positions, which some checkpoints have
    attention_out: str = "attention.output.dense"
    ffn_in: tuple = ("intermediate.dense",)
    ffn_blocks: int = 1  # halves of gated neurons that stand in one projection
    ffn_out: str = "output.dense"
    position_bias: bool = False  # the attention is given a bias for every head of the original
    newer: dict = None  # the same names in versions that have built the family's classes anew, where some have


GTE = dict(
    layers="layers",
    attention="self_attn",
    heads="",
    width="",
    projections=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    attention_out="self_attn.o_proj",
    ffn_in=("mlp.gate_proj", "mlp.up_proj"),
    ffn_out="mlp.down_proj",
)

VIT = dict(
    attention="attention.attention",
    projections=("attention.attention.query", "attention.attention.key", "attention.attention.value"),
    newer=dict(
        layers="layers",
        attention="attention",
        heads="",
        width="",
        projections=("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        attention_out="attention.o_proj",
        ffn_in=("mlp.fc1",),
        ffn_out="mlp.fc2",
    ),
)

FAMILIES = {
    "albert": Family(
        classes="Albert",
        layers="encoder.albert_layer_groups",
        attention="albert_layers.0.attention",
        projections=tuple(f"albert_layers.0.attention.{name}" for name in ("query", "key", "value")),
        attention_out="albert_layers.0.attention.dense",
        ffn_in=("albert_layers.0.ffn",),
        ffn_out="albert_layers.0.ffn_output",
    ),
    "bert": Family(
        classes="Bert",
    ),
    "camembert": Family(
        classes="Camembert",
    ),
    "deberta-v2": Family(
        classes="DebertaV2",
        projections=("attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj"),
        positions=("attention.self.pos_key_proj", "attention.self.pos_query_proj"),
    ),
    "deit": Family(
        classes="DeiT",
        **VIT,
    ),
    "distilbert": Family(
        classes="DistilBert",
        layers="transformer.layer",
        attention="attention",
        heads="n_heads",
        width="dim",
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_out="attention.out_lin",
        ffn_in=("ffn.lin1",),
        ffn_out="ffn.lin2",
    ),
    "electra": Family(
        classes="Electra",
    ),
    "gte": Family(
        classes="Gte",
        **GTE,
    ),
    "modernbert": Family(
        classes="ModernBert",
        layers="layers",
        attention="attn",
        heads="num_heads",
        projections=("attn.Wqkv",),
        attention_out="attn.Wo",
        ffn_in=("mlp.Wi",),
        ffn_blocks=2,
        ffn_out="mlp.Wo",
    ),
    "mpnet": Family(
        classes="MPNet",
        attention="attention.attn",
        projections=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        attention_out="attention.attn.o",
        position_bias=True,
    ),
    "nomic_bert": Family(
        classes="NomicBert",
        **GTE,
    ),
    "roberta": Family(
        classes="Roberta",
    ),
    "vit": Family(
        classes="ViT",
        **VIT,
    ),
    "xlm-roberta": Family(
        classes="XLMRoberta",
    ),
}

SUFFIXES = (
    "Model",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMaskedLM",
    "ForMultipleChoice",
    "ForImageClassification",
    "ForImageClassificationWithTeacher",
)


class NoHeads(nn.Linear):
    """A query, key or value projection of a layer without heads, or all three: gives one head of zeros for each.

    No attention kernel can be asked for no heads at all. The weight has the shape [0, hidden_size].
    """

    zeros = 0

    def forward(self, states):
        return F.pad(super().forward(states), (0, self.zeros))


class NoHeadsOut(nn.Linear):
    """The output projection of a layer without heads: its bias, whatever that head of zeros brought."""

    def forward(self, context):
        return super().forward(context[..., :0])


def shrink(linear, rows=None, columns=None):
    """Makes a projection as small as that; None leaves a dimension as it is."""
    rows = linear.out_features if rows is None else rows
    columns = linear.in_features if columns is None else columns
    # From the weights that are there: they are initialised as their class wants it, on its device and in its type.
    linear.weight = nn.Parameter(linear.weight.detach()[:rows, :columns].clone())
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[:rows].clone())
    linear.out_features, linear.in_features = rows, columns


def add_bias(linear):
    if linear.bias is None:
        linear.bias = nn.Parameter(linear.weight.new_zeros(linear.out_features))


class PositionBiasOfKeptHeads:
    """Attention that is given a bias for every head of the original; goes before the class of transformers."""

    kept_heads = ()

    def forward(self, *args, **kwargs):
        given = inspect.signature(super().forward).bind(*args, **kwargs)
        if given.arguments.get("position_bias") is not None:
            given.arguments["position_bias"] = given.arguments["position_bias"][:, self.kept_heads]
        return super().forward(*given.args, **given.kwargs)


def shrink_attention(layer, family, kept_heads, head_size):
    heads = len(kept_heads)
    present = [name for name in family.positions if hasattr(layer.get_submodule(family.attention), name.split(".")[-1])]
    projections = [layer.get_submodule(name) for name in (*family.projections, *present)]
    blocks = 3 // len(family.projections)
    out = layer.get_submodule(family.attention_out)
    for projection in projections:
        shrink(projection, rows=blocks * heads * head_size)
    shrink(out, columns=heads * head_size)
    if heads == 0:
        out.__class__ = NoHeadsOut
        for projection in projections:
            projection.__class__ = NoHeads
            projection.zeros = blocks * head_size
    attention = layer.get_submodule(family.attention)
    if family.heads:
        setattr(attention, family.heads, max(heads, 1))
        setattr(attention, family.width, max(heads, 1) * head_size)
    if family.position_bias:
        stock = type(attention)
        attention.__class__ = type(stock.__name__, (PositionBiasOfKeptHeads, stock), {"__module__": __name__})
        attention.kept_heads = list(kept_heads) or [0]


def shrink_model(model):
    """Gives a freshly made model the sizes of its configuration's "kprune"."""
    config = model.config
    kept = getattr(config, "kprune", None)
    if not isinstance(kept, dict) or not {"kept_heads", "neurons"} <= set(kept):
        raise ValueError('config.json has no "kprune" with the heads and neurons of every layer: no result of kprune')
    family = FAMILIES[config.model_type]
    if family.newer and not hasattr(model.base_model, family.layers.partition(".")[0]):
        family = replace(family, **family.newer)
    layers = model.base_model.get_submodule(family.layers)
    if not len(layers) == len(kept["kept_heads"]) == len(kept["neurons"]):
        raise ValueError(
            f'config.json has {len(layers)} layers, but "kprune" has heads for {len(kept["kept_heads"])} '
            f'and neurons for {len(kept["neurons"])}'
        )
    # hidden_size and num_attention_heads are the names that every configuration of transformers answers to.
    head_size = config.hidden_size // config.num_attention_heads
    for layer, kept_heads, neurons in zip(layers, kept["kept_heads"], kept["neurons"]):
        if kept.get("biases"):
            for name in (*family.projections, family.attention_out, *family.ffn_in, family.ffn_out):
                add_bias(layer.get_submodule(name))
        shrink_attention(layer, family, kept_heads, head_size)
        for name in family.ffn_in:
            shrink(layer.get_submodule(name), rows=family.ffn_blocks * neurons)
        shrink(layer.get_submodule(family.ffn_out), columns=neurons)


def pruned(stock):
    """The class `stock` of transformers, with the sizes that config.json's "kprune" gives it."""

    # "SequenceClassification", or none; DeiT has two classes for one task.
    task = stock.__name__.partition("For")[2].removesuffix("WithTeacher")

    def __init__(self, config, *args, **kwargs):
        stock.__init__(self, config, *args, **kwargs)
        shrink_model(self)

    members = {
        "__init__": __init__,
        "__module__": __name__,
        "__doc__": stock.__doc__,
        # What loads it again; save_pretrained then puts this file beside the weights.
        "_auto_class": "AutoModelFor" + task if task else "AutoModel",
        # Checkpoints have the names that those of the class of transformers have; version 5 maps these to its own.
        "is_custom_code": classmethod(lambda cls: False),
    }
    return type(stock.__name__, (stock,), members)


for family in FAMILIES.values():
    for suffix in SUFFIXES:
        name = family.classes + suffix
        stock = getattr(transformers, name, None)  # some are of newer versions
        if stock is not None:
            globals()[name] = pruned(stock)
