"""Loads a model that kprune has pruned, in Hugging Face transformers (4.57 and 5.x).

    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)

The classes below are those of transformers, under their own names. Only the sizes of their projections differ: every
layer has the attention heads and the intermediate neurons that config.json counts under "kprune":

    "kprune": {"heads": [6, 0, ...], "neurons": [811, 64, ...], ...}        one number a layer; 0 is a number, too

So everything that a stock model can do works as well: training, save_pretrained, eager and fused attention.
"""

from dataclasses import dataclass

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
    heads: str = "num_attention_heads"  # ... and what it calls their number...
    width: str = "all_head_size"  # ... and their width together
    projections: tuple = ("attention.self.query", "attention.self.key", "attention.self.value")
    attention_out: str = "attention.output.dense"
    ffn_in: str = "intermediate.dense"
    ffn_out: str = "output.dense"


FAMILIES = {
    "bert": Family(
        classes="Bert",
    ),
    "camembert": Family(
        classes="Camembert",
    ),
    "distilbert": Family(
        classes="DistilBert",
        layers="transformer.layer",
        attention="attention",
        heads="n_heads",
        width="dim",
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_out="attention.out_lin",
        ffn_in="ffn.lin1",
        ffn_out="ffn.lin2",
    ),
    "electra": Family(
        classes="Electra",
    ),
    "roberta": Family(
        classes="Roberta",
    ),
    "xlm-roberta": Family(
        classes="XLMRoberta",
    ),
}

SUFFIXES = ("Model", "ForSequenceClassification")


class NoHeads(nn.Linear):
    """A query, key or value projection of a layer without heads: gives one head of zeros.

    No attention kernel can be asked for no heads at all. The weight has the shape [0, hidden_size].
    """

    head_size = 0

    def forward(self, states):
        return F.pad(super().forward(states), (0, self.head_size))


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


def shrink_attention(layer, family, heads, head_size):
    projections = [layer.get_submodule(name) for name in family.projections]
    out = layer.get_submodule(family.attention_out)
    for projection in projections:
        shrink(projection, rows=heads * head_size)
    shrink(out, columns=heads * head_size)
    if heads == 0:
        out.__class__ = NoHeadsOut
        for projection in projections:
            projection.__class__ = NoHeads
            projection.head_size = head_size
    attention = layer.get_submodule(family.attention)
    setattr(attention, family.heads, max(heads, 1))
    setattr(attention, family.width, max(heads, 1) * head_size)


def shrink_model(model):
    """Gives a freshly made model the sizes of its configuration's "kprune"."""
    config = model.config
    kept = getattr(config, "kprune", None)
    if not isinstance(kept, dict) or not {"heads", "neurons"} <= set(kept):
        raise ValueError('config.json has no "kprune" with the heads and neurons of every layer: no result of kprune')
    family = FAMILIES[config.model_type]
    layers = model.base_model.get_submodule(family.layers)
    if not len(layers) == len(kept["heads"]) == len(kept["neurons"]):
        raise ValueError(
            f'config.json has {len(layers)} layers, but "kprune" has heads for {len(kept["heads"])} '
            f'and neurons for {len(kept["neurons"])}'
        )
    # hidden_size and num_attention_heads are the names that every configuration of transformers answers to.
    head_size = config.hidden_size // config.num_attention_heads
    for layer, heads, neurons in zip(layers, kept["heads"], kept["neurons"]):
        shrink_attention(layer, family, heads, head_size)
        shrink(layer.get_submodule(family.ffn_in), rows=neurons)
        shrink(layer.get_submodule(family.ffn_out), columns=neurons)


def pruned(stock):
    """The class `stock` of transformers, with the sizes that config.json's "kprune" gives it."""

    task = stock.__name__.partition("For")[2]  # "SequenceClassification", or none

    def __init__(self, config, *args, **kwargs):
        stock.__init__(self, config, *args, **kwargs)
        shrink_model(self)

    members = {
        "__init__": __init__,
        "__module__": __name__,
        "__doc__": stock.__doc__,
        # What loads it again; save_pretrained then puts this file beside the weights.
        "_auto_class": "AutoModelFor" + task if task else "AutoModel",
    }
    return type(stock.__name__, (stock,), members)


for family in FAMILIES.values():
    for suffix in SUFFIXES:
        name = family.classes + suffix
        globals()[name] = pruned(getattr(transformers, name))
