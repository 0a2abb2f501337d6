#!/usr/bin/env python3
"""Makes a small image classifier, and the data to prune and to judge it with: OUTPUT gets model/ (ViTForImageClassification
and preprocessor_config.json), samples.safetensors (pixel_values as bytes, of the training data, without labels: to prune
with), dev.safetensors (labelled, to judge with; none of its pictures is in training) and metrics.json.

The pictures are the handwritten digits in the PyPI package scikit-learn (1,797, 8 x 8 pixels, 16 levels of grey; test set
of the NIST-derived set that UCI distributes), cut by --seed into 900 for training and 897 for dev. The model is random at
first: 6 layers, hidden 96, 6 heads, intermediate 384, patches of 2 x 2 pixels (17 tokens); 60 epochs of AdamW on pictures
that are shifted by at most a pixel, turned by at most 10 degrees and made lighter or darker.
"""

import argparse
import json
import math
import os
import time

import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch.nn import functional as F
from transformers import ViTConfig, ViTForImageClassification

TRAINING, EPOCHS, BATCH, RATE = 900, 60, 50, 1e-3
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 8, "width": 8},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5],
    "image_std": [0.5],
}


def read_digits(seed):
    """Bytes [N, 1, 8, 8] and labels [N]: training, and dev."""
    digits = load_digits()
    pictures = torch.tensor(digits.images / 16 * 255).round().to(torch.uint8).unsqueeze(1)
    labels = torch.tensor(digits.target, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    train, dev = order[:TRAINING], order[TRAINING:]
    return (pictures[train], labels[train]), (pictures[dev], labels[dev])


def pixel_values(pictures):
    return (pictures.float() / 255 - 0.5) / 0.5


def varied(pixels):
    """Turned, shifted and made lighter or darker; what comes in from outside is background."""
    count = len(pixels)
    angle = (torch.rand(count) - 0.5) * math.radians(20)
    shift = (torch.rand(count, 2) - 0.5) * (2 * 2 / 8)
    rows = torch.stack([torch.cos(angle), -torch.sin(angle), shift[:, 0], torch.sin(angle), torch.cos(angle), shift[:, 1]])
    grid = F.affine_grid(rows.t().view(count, 2, 3), list(pixels.shape), align_corners=False)
    ink = F.grid_sample((pixels + 1) / 2, grid, align_corners=False)
    return ink * (0.8 + 0.4 * torch.rand(count, 1, 1, 1)) * 2 - 1


def train(model, pictures, labels):
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    steps = EPOCHS * math.ceil(len(labels) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    pixels = pixel_values(pictures)
    model.train()
    for epoch in range(EPOCHS):
        for part in torch.randperm(len(labels)).split(BATCH):
            logits = model(pixel_values=varied(pixels[part])).logits
            loss = F.cross_entropy(logits, labels[part], label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if epoch % 10 == 9:
            print(f"  epoch {epoch + 1}/{EPOCHS} loss {loss.item():.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    (pictures, labels), (dev, dev_labels) = read_digits(settings.seed)
    names = [str(digit) for digit in range(10)]
    model = ViTForImageClassification(ViTConfig(
        hidden_size=96, num_hidden_layers=6, num_attention_heads=6, intermediate_size=384, image_size=8, patch_size=2,
        num_channels=1, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}))
    begin = time.monotonic()
    train(model, pictures, labels)
    minutes = (time.monotonic() - begin) / 60
    model.eval()
    with torch.inference_mode():
        right = (model(pixel_values=pixel_values(dev)).logits.argmax(-1) == dev_labels).float().mean().item()
    folder = os.path.join(settings.output, "model")
    os.makedirs(folder, exist_ok=True)
    model.save_pretrained(folder)
    with open(os.path.join(folder, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump(PROCESSOR, file, indent=2)
    save_file({"pixel_values": pictures}, os.path.join(settings.output, "samples.safetensors"))
    save_file({"pixel_values": dev, "labels": dev_labels}, os.path.join(settings.output, "dev.safetensors"))
    found = {"accuracy": 100 * right, "training_minutes": round(minutes, 1)}
    with open(os.path.join(settings.output, "metrics.json"), "w", encoding="utf-8") as file:
        json.dump(found, file, indent=2)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
