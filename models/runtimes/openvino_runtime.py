"""The CPU runtime: OpenVINO, int8 convolutions, no torch import."""

from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from models.errors import BadCheckpoint


class OpenVinoRuntime:
    """Runs the checkpoint's OpenVINO model.

    Args:
        model: path of the ``.xml``; its ``.bin`` lies beside it.
        precision: OpenVINO's ``INFERENCE_PRECISION_HINT`` for what is not int8.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, model: Path, precision: str = "f32") -> None:
        core = openvino.Core()
        try:
            network = core.read_model(model)
            self._compiled = core.compile_model(
                network, "CPU", {"INFERENCE_PRECISION_HINT": precision}
            )
        except RuntimeError as error:
            raise BadCheckpoint(f"{model}: cannot be loaded by OpenVINO ({error})") from error

    def run(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See :class:`models.runtimes.Runtime`."""
        # A request of its own for each call: requests are what OpenVINO does not share.
        request = self._compiled.create_infer_request()
        request.infer({0: pixels})
        embedding = request.get_output_tensor(0).data.astype(np.float32, copy=True)
        return embedding, request.get_output_tensor(1).data.astype(np.float32, copy=True)
