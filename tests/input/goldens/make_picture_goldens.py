"""Writes pictures.safetensors beside this file: small JPEG and PNG files, and what transformers makes of them.

    python make_picture_goldens.py     # transformers 4.57, Pillow 13, safetensors

NAME.file is the file's bytes (U8), NAME.vit and NAME.deit pixel_values [3, 12, 10] (F32) by the processors of
transformers that compute with Pillow, with the settings below; NAME.vit_large of two pictures is [3, 23, 26], bicubic.
NAME.grey of some are the bytes [height, width] that Pillow's convert("L") gives. The pictures
are read as load_image of transformers reads them: turned as EXIF says, and converted to RGB.
"""

import io
import pathlib

import numpy
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file
from transformers.models.deit.image_processing_deit import DeiTImageProcessor
from transformers.models.vit.image_processing_vit import ViTImageProcessor

VIT = ViTImageProcessor(size={"height": 12, "width": 10}, image_mean=[0.48, 0.45, 0.4], image_std=[0.22, 0.23, 0.24])
VIT_LARGE = ViTImageProcessor(size={"height": 23, "width": 26}, resample=3)
DEIT = DeiTImageProcessor(size={"height": 17, "width": 13}, crop_size={"height": 12, "width": 10})


def draw(height, width):
    """Smooth colours, an edge and some noise."""
    y, x = numpy.mgrid[0:height, 0:width]
    values = numpy.stack([128 + 100 * numpy.sin(x / 5.0), 255.0 * y / height, (x * 7 + y * 3) % 256], -1)
    values[height // 3:height // 2, width // 4:width // 2] = (250, 10, 30)
    values += numpy.random.default_rng(height * width).normal(0, 8, values.shape)
    return Image.fromarray(values.clip(0, 255).astype(numpy.uint8))


def bytes_of(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def files():
    picture = draw(29, 37)
    yield "jpeg", bytes_of(picture, "JPEG", quality=85)
    yield "jpeg_progressive", bytes_of(draw(20, 31), "JPEG", quality=60, progressive=True)
    yield "jpeg_full_colour", bytes_of(draw(11, 9), "JPEG", quality=95, subsampling=0)
    yield "jpeg_grey", bytes_of(picture.convert("L"), "JPEG")
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[274] = orientation
        yield f"jpeg_exif_{orientation}", bytes_of(draw(13, 16), "JPEG", exif=exif)
    yield "png", bytes_of(picture, "PNG")
    yield "png_palette", bytes_of(picture.quantize(16), "PNG", transparency=3)
    yield "png_transparent", bytes_of(Image.merge("RGBA", (*picture.split(), picture.convert("L"))), "PNG")
    yield "png_grey_transparent", bytes_of(picture.convert("LA"), "PNG")
    yield "png_black_and_white", bytes_of(picture.convert("1"), "PNG")
    yield "png_tiny", bytes_of(draw(5, 4), "PNG")


tensors = {}
for name, content in files():
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    tensors[name + ".file"] = torch.tensor(list(content), dtype=torch.uint8)
    rgb = image.convert("RGB")
    for label, processor in (("vit", VIT), ("deit", DEIT), ("vit_large", VIT_LARGE)):
        if label == "vit" or (label == "deit" and "exif" not in name) or name in ("png", "png_tiny"):
            made = processor(images=rgb, return_tensors="np")["pixel_values"][0]
            tensors[f"{name}.{label}"] = torch.from_numpy(numpy.ascontiguousarray(made, dtype=numpy.float32))
    if name in ("jpeg", "png", "png_transparent"):
        tensors[name + ".grey"] = torch.from_numpy(numpy.array(rgb.convert("L")))
path = pathlib.Path(__file__).parent / "pictures.safetensors"
save_file(tensors, path)
print(len(tensors), "tensors,", path.stat().st_size, "bytes")
