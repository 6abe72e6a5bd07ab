"""The reference runtime: torch, on the CPU (float32) or a CUDA device (bfloat16)."""

import numpy as np
import torch
from numpy.typing import NDArray

from models.network.marknet import MarkNet


class TorchRuntime:
    """Runs a MarkNet in channels-last layout, the faster one for convolutions on both devices."""

    name = "torch"

    def __init__(self, network: MarkNet, device: str) -> None:
        self.device = device
        self._network = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def run(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See :class:`models.runtimes.Runtime`."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        mixed = torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda")
        with torch.inference_mode(), mixed:
            output = self._network(batch)
        return output.embedding.float().cpu().numpy(), output.logits.float().cpu().numpy()
