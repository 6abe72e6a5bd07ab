"""The one place that decides where vectors live and are compared."""

from functools import partial
from typing import Literal

from indexer.vectors.index import IndexBuilder
from models.errors import MissingPackage

Device = Literal["auto", "cpu", "cuda"]

_NO_FAISS = "FAISS is not installed: install marklens[cpu] or marklens[gpu]"
_NO_CUDA = "no CUDA device is usable here: set MARKLENS_DEVICE=cpu, or install marklens[gpu]"


def open_builder(device: Device) -> IndexBuilder:
    """Choose the index for a device, once at start.

    Args:
        device: ``auto`` takes CUDA where faiss-gpu is installed and sees a device.

    Raises:
        MissingPackage: FAISS is not installed, or ``cuda`` is asked for and not usable.
    """
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingPackage(_NO_FAISS) from error
    # FAISS is asked, not torch: importing torch takes seconds and serving on a CPU needs none.
    if device == "cuda" or (device == "auto" and faiss.get_num_gpus() > 0):
        return _cuda_builder()
    from indexer.vectors.faiss_cpu import FaissCpuIndex

    return FaissCpuIndex


def _cuda_builder() -> IndexBuilder:
    import torch

    from indexer.vectors.torch_cuda import TorchIndex

    if not torch.cuda.is_available():
        raise MissingPackage(_NO_CUDA)
    return partial(TorchIndex, device="cuda")
