"""A checkpoint's network for the CPU: OpenVINO, convolutions in int8.

``python -m models.training.export CHECKPOINT --images DIR`` needs the ``export`` dependency group
(NNCF). Only convolutions are quantised, and not the first: its input has all of 256 levels already
and it costs 1 % of the time. Quantising the pooling too looks harmless and is not: it rounds the
small averages of sparse maps to zero (measured: cosine of the averaged conv5 to float32 0.66
instead of 0.999).
"""

import argparse
import copy
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from openvino import opset13 as opset
from torch import nn

from models.images import decode_image
from models.network.backbone import ADDED_CONVOLUTIONS, CONV5_END
from models.network.checkpoint import OPENVINO, Checkpoint, record_openvino
from models.network.marknet import MarkNet
from models.network.preprocess import Preprocess
from models.runtimes.openvino_runtime import CONV5, HIDDEN

log = logging.getLogger(__name__)

_PICTURES = 200  # to measure activation ranges on


class BesideIdentity(nn.Module):
    """A convolution as its centre's diagonal, in float, and the rest, which int8 then resolves.

    conv5_4 began as the identity. What it learnt beside ones is a hundredth of them, less than an
    int8 step of one: rounded as a whole it would forget it (measured: cosine of the embedding to
    float32 0.992 instead of 0.9995).
    """

    share: torch.Tensor

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.rest = copy.deepcopy(convolution)
        every = torch.arange(convolution.out_channels)
        middle = convolution.kernel_size[0] // 2
        with torch.no_grad():
            centre = self.rest.weight[every, every, middle, middle].clone()
            self.rest.weight[every, every, middle, middle] = 0.0
        self.register_buffer("share", centre.view(1, -1, 1, 1))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) → the same shape, as the convolution has it."""
        found: torch.Tensor = maps * self.share + self.rest(maps)
        return found


def convert(network: MarkNet, size: int) -> openvino.Model:
    """A network of (n, size, size, 3) uint8 as an OpenVINO model in float32, ready for int8."""
    network = copy.deepcopy(network)
    features, at = network.backbone.features, ADDED_CONVOLUTIONS[-1]
    last = features[at]
    if isinstance(last, nn.Conv2d):
        features[at] = BesideIdentity(last)
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with torch.no_grad():
        model = openvino.convert_model(network.eval(), example_input=example)
    model.reshape({model.inputs[0]: openvino.PartialShape([-1, size, size, 3])})
    return model


def quantise(model: openvino.Model, pixels: NDArray[np.uint8]) -> openvino.Model:
    """Turn all convolutions but the first into int8, ranges measured on pictures.

    Args:
        model: of (n, size, size, 3) uint8.
        pixels: (m, size, size, 3) uint8, a few hundred typical pictures.
    """
    import nncf

    operations = model.get_ordered_ops()
    convolutions = [op for op in operations if op.get_type_name() == "Convolution"]
    kept = {"Convolution", "Parameter", "Result", "Constant", "MaxPool", "Relu", "Convert"}
    scope = nncf.IgnoredScope(
        names=[convolutions[0].get_friendly_name()],
        types=sorted({op.get_type_name() for op in operations} - kept),
        validate=False,
    )
    pictures = nncf.Dataset([pixels[at : at + 1] for at in range(len(pixels))])
    return nncf.quantize(
        model,
        pictures,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(pixels),
        ignored_scope=scope,
    )


def halve(model: openvino.Model) -> openvino.Model:
    """Store the heads' matrices in float16; they are widened again when the model is loaded.

    `save_model` leaves them wide: it takes what stands beside square roots to be sensitive.

    Args:
        model: changed in place.
    """
    for operation in model.get_ordered_ops():
        if operation.get_type_name() != "MatMul":
            continue
        matrix = operation.input_value(1).get_node()
        if matrix.get_type_name() == "Constant" and matrix.data.dtype == np.float32:
            narrow = opset.constant(matrix.data.astype(np.float16))
            operation.input(1).replace_source_output(opset.convert(narrow, "f32").output(0))
    return model


def name_activations(model: openvino.Model) -> openvino.Model:
    """Give the tensors that explanations are made of the names by which the runtime asks for them.

    Args:
        model: changed in place.
    """
    behind = {f"backbone.features.{CONV5_END - 1}/": CONV5, "heads/": HIDDEN}
    for operation in model.get_ordered_ops():
        for module, name in behind.items():
            is_its = operation.get_friendly_name().startswith(f"__module.{module}")
            if is_its and operation.get_type_name() == "Relu":
                operation.output(0).add_names({name})
    return model


def read_pictures(folder: Path, preprocess: Preprocess, number: int) -> NDArray[np.uint8]:
    """Evenly chosen pictures of a folder, preprocessed: (n, size, size, 3) uint8."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".png", ".jpg"})
    chosen = [paths[at] for at in np.linspace(0, len(paths) - 1, number).astype(int)]
    return preprocess.batch([decode_image(path.read_bytes(), path.name) for path in chosen])


def export(folder: Path, images: Path) -> Path:
    """Write ``openvino_int8.xml`` into a checkpoint's folder.

    Args:
        folder: the checkpoint.
        images: typical pictures to measure ranges on.
    """
    checkpoint = Checkpoint.open(folder)
    model = convert(checkpoint.load_network(), checkpoint.preprocess.size)
    pixels = read_pictures(images, checkpoint.preprocess, _PICTURES)
    path = folder / OPENVINO
    model = name_activations(halve(quantise(model, pixels)))
    openvino.save_model(model, path, compress_to_fp16=True)
    # A seventh of the file is indentation.
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(line.lstrip(" \t") for line in lines), "utf-8")
    record_openvino(folder)
    log.info("wrote %s", path)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    export(options.checkpoint, options.images)


if __name__ == "__main__":
    main()
