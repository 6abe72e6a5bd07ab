"""The reference runtime: torch, on the CPU (float32) or a CUDA device (bfloat16)."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network.marknet import MarkNet
from models.runtimes import Activations, Output


class TorchRuntime:
    """Runs a MarkNet in channels-last layout, the faster one for convolutions on both devices."""

    name = "torch"

    def __init__(self, network: MarkNet, device: str) -> None:
        self.device = device
        self._network = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def run(self, pixels: NDArray[np.uint8], with_maps: bool = False) -> Output:
        """See :class:`models.runtimes.Runtime`."""
        with self._computing():
            lower = self._network.forward_lower(self._batch(pixels))
            embedding, logits = self._network.forward_embedding(lower)
            maps = lower.maps if with_maps else lower.maps[:, :0, :0, :0]
        return Output(_array(embedding), _array(logits), _array(maps))

    def activations(self, pixels: NDArray[np.uint8]) -> Activations:
        """See :class:`models.runtimes.Runtime`."""
        with self._computing():
            lower = self._network.forward_lower(self._batch(pixels))
            conv5 = self._network.backbone.high(lower.maps)
            upper = self._network.forward_heads(conv5, lower)
        return Activations(_array(conv5), _array(upper.hidden), _array(upper.logits))

    def _batch(self, pixels: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(self.device)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        mixed = torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda")
        with torch.inference_mode(), mixed:
            yield


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().contiguous().cpu().numpy()
    return array
