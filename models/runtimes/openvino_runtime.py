"""The CPU runtime: OpenVINO, int8 convolutions, no torch import."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import openvino
from numpy.typing import NDArray

from models.errors import BadCheckpoint


class OpenVinoRuntime:
    """Runs the checkpoint's OpenVINO model.

    Args:
        model: path of the ``.xml``; its ``.bin`` lies beside it.
        sizes: sides of the pictures that will come, pixels; for others it is compiled when they do.
        precision: OpenVINO's ``INFERENCE_PRECISION_HINT`` for what is not int8.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, model: Path, sizes: Sequence[int], precision: str = "f32") -> None:
        self._model = model
        self._settings = {"INFERENCE_PRECISION_HINT": precision}
        self._core = openvino.Core()
        self._compiling = Lock()
        self._compiled: dict[int, openvino.CompiledModel] = {}
        for size in sizes:  # now, not at the first picture: it takes a second, or fails
            self._of_size(size)

    def run(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See :class:`models.runtimes.Runtime`."""
        # A request of its own for each call: requests are what OpenVINO does not share.
        request = self._of_size(pixels.shape[1]).create_infer_request()
        request.infer({0: pixels})
        embedding = request.get_output_tensor(0).data.astype(np.float32, copy=True)
        return embedding, request.get_output_tensor(1).data.astype(np.float32, copy=True)

    def _of_size(self, size: int) -> openvino.CompiledModel:
        """The model for pictures of a size; it is compiled once for whole pictures and parts."""
        with self._compiling:
            if size not in self._compiled:
                try:
                    network = self._core.read_model(self._model)
                    shape = openvino.PartialShape([-1, size, size, 3])
                    network.reshape({network.inputs[0]: shape})
                    self._compiled[size] = self._core.compile_model(network, "CPU", self._settings)
                except RuntimeError as error:
                    raise BadCheckpoint(
                        f"{self._model}: cannot be loaded by OpenVINO ({error})"
                    ) from error
            return self._compiled[size]
