"""The CPU runtime: OpenVINO, int8 convolutions, no torch import."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import openvino
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from models.errors import BadCheckpoint
from models.runtimes import Activations, Output

# Names of tensors inside of the model, given by ``models.training.export``.
CONV5, HIDDEN = "explain.conv5", "explain.hidden"
_POOL4 = "places.pool4"  # given when a model is read


class OpenVinoRuntime:
    """Runs the checkpoint's OpenVINO model.

    Args:
        model: path of the ``.xml``; its ``.bin`` lies beside it.
        sizes: sides of the pictures that will come, pixels; for others it is compiled when they do.
        with_maps: whether their maps will be asked for.

    Raises:
        BadCheckpoint: OpenVINO cannot load the model.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, model: Path, sizes: Sequence[int], with_maps: bool = False) -> None:
        # NumPy's threads wait for each other by spinning, beside OpenVINO's on the same cores: with
        # one alone, in the whole process, an encoding takes a sixth less of the processors.
        ThreadpoolController().select(prefix="libscipy_openblas").limit(limits=1)
        self._model = model
        self._settings = {"INFERENCE_PRECISION_HINT": "f32"}  # of what is not int8
        self._core = openvino.Core()
        self._compiling = Lock()
        self._compiled: dict[tuple[int, tuple[str, ...]], openvino.CompiledModel] = {}
        for size in sizes:  # now, not at the first picture: it takes a second, or fails
            self._compile(size, (_POOL4,) if with_maps else ())

    def run(self, pixels: NDArray[np.uint8], with_maps: bool = False) -> Output:
        """See :class:`models.runtimes.Runtime`."""
        if with_maps:
            return Output(*self._infer(pixels, (_POOL4,)))
        embedding, logits = self._infer(pixels, ())
        return Output(embedding, logits, np.zeros((len(pixels), 0, 0, 0), np.float32))

    def activations(self, pixels: NDArray[np.uint8]) -> Activations:
        """See :class:`models.runtimes.Runtime`; the first call for a size compiles the model."""
        _, logits, conv5, hidden = self._infer(pixels, (CONV5, HIDDEN))
        return Activations(conv5, hidden, logits)

    def _infer(
        self, pixels: NDArray[np.uint8], inner: tuple[str, ...]
    ) -> list[NDArray[np.float32]]:
        """The model's outputs (embedding, logits), then the named inner tensors."""
        compiled = self._compile(pixels.shape[1], inner)
        # A request of its own for each call: requests are what OpenVINO does not share.
        request = compiled.create_infer_request()
        request.infer({0: pixels})
        return [
            request.get_output_tensor(at).data.astype(np.float32, copy=True)
            for at in range(len(compiled.outputs))
        ]

    def _compile(self, size: int, inner: tuple[str, ...] = ()) -> openvino.CompiledModel:
        """The model for pictures of a size; it is compiled once for whole pictures and parts."""
        with self._compiling:
            if (size, inner) not in self._compiled:
                try:
                    network = self._core.read_model(self._model)
                    pool4(network).add_names({_POOL4})
                    if inner:
                        network.add_outputs(list(inner))
                    shape = openvino.PartialShape([-1, size, size, 3])
                    network.reshape({network.inputs[0]: shape})
                    compiled = self._core.compile_model(network, "CPU", self._settings)
                except RuntimeError as error:
                    raise BadCheckpoint(
                        f"{self._model}: cannot be loaded by OpenVINO ({error})"
                    ) from error
                self._compiled[size, inner] = compiled
            return self._compiled[size, inner]


def pool4(network: openvino.Model) -> openvino.Output:
    """The output of a MarkNet's fourth pooling, which conv5 looks at."""
    pools = [one for one in network.get_ordered_ops() if one.get_type_name() == "MaxPool"]
    return pools[3].output(0)
