"""Pictures in, embeddings and calibrated Vienna probabilities out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import MissingPackage
from models.network.checkpoint import SHIPPED, Block, Checkpoint
from models.network.embedding import Embedding
from models.network.parts import best_seen
from models.network.places import Places, to_bytes
from models.network.preprocess import Prepared, Shares
from models.runtimes import Runtime
from models.vienna import PredictedCode, ViennaCode

__all__ = ["Block", "Embedding", "Encoded", "Encoder", "Prepared"]

Device = Literal["auto", "cpu", "cuda"]
RuntimeName = Literal["auto", "torch", "openvino"]
_CHUNK = 16  # pictures per call of the runtime: enough to fill the cores, small in memory


@dataclass(frozen=True)
class Encoded:
    """What the network says of n pictures.

    Attributes:
        embeddings: of each picture, the whole and its parts.
        probabilities: (n, labels) float32, calibrated; a category is at least as probable as any
            of its divisions.
        logits: (n, labels) float32, of which they are made.
        whole_logits: (n, labels) float32, of the whole signs without their parts.
    """

    embeddings: tuple[Embedding, ...]
    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    whole_logits: NDArray[np.float32]

    @property
    def wholes(self) -> NDArray[np.float16]:
        """The vectors of the whole signs, (n, d)."""
        return np.stack([one.whole for one in self.embeddings])

    def one(self, row: int) -> "Encoded":
        """What it says of one of them."""
        only = slice(row, row + 1)
        logits = self.logits[only], self.whole_logits[only]
        return Encoded(self.embeddings[only], self.probabilities[only], *logits)


class Encoder:
    """A checkpoint and a runtime for it."""

    def __init__(self, checkpoint: Checkpoint, runtime: Runtime) -> None:
        self.runtime = runtime
        self.checkpoint = checkpoint
        self._preprocess = checkpoint.preprocess
        self._parts = checkpoint.parts
        self._places = checkpoint.places
        self._calibration = checkpoint.calibration
        self.fingerprint = checkpoint.fingerprint
        self.labels: tuple[ViennaCode, ...] = checkpoint.labels
        self.blocks: tuple[Block, ...] = checkpoint.blocks
        self.dimension = checkpoint.blocks[-1].stop
        self._code_block = checkpoint.code_block
        self._neighbours = checkpoint.neighbours
        self.device = runtime.device
        self.runtime_name = runtime.name

    @classmethod
    def load(
        cls, folder: Path | None = None, device: Device = "auto", runtime: RuntimeName = "auto"
    ) -> "Encoder":
        """Load a network; the shipped one by default.

        Args:
            folder: the checkpoint's folder.
            device: ``auto`` takes CUDA where torch sees it.
            runtime: ``auto`` is torch on CUDA, OpenVINO on the CPU where the checkpoint has it.

        Raises:
            BadCheckpoint: the folder is missing or damaged.
            MissingPackage: CUDA is asked for and not there, or torch is needed and not installed.
        """
        checkpoint = Checkpoint.open(folder or SHIPPED)
        return cls(checkpoint, _choose_runtime(checkpoint, device, runtime))

    def encode(self, images: Sequence[Image.Image]) -> Encoded:
        """Encode pictures; safe to call from several threads.

        Args:
            images: mode RGB, any sizes.
        """
        return self.encode_prepared([self.prepare(image) for image in images])

    def encode_prepared(self, pictures: Sequence[Prepared]) -> Encoded:
        """Encode pictures that :meth:`prepare` has made ready; safe to call from several threads.

        Args:
            pictures: of this network's size.
        """
        if not pictures:
            nothing = np.zeros((0, len(self.labels)), np.float32)
            return Encoded((), nothing, nothing, nothing)
        pixels = np.stack([one.pixels for one in pictures])
        whole = self._run(pixels, [one.square for one in pictures])
        cutouts = [one.parts for one in pictures]
        owner = np.repeat(np.arange(len(pictures)), [len(one.boxes) for one in cutouts])
        placed = zip(pictures, cutouts, strict=True)
        frames = np.concatenate([one.in_picture(cutout.frames) for one, cutout in placed])
        cut = [pixels for one in cutouts for pixels in one.pixels]
        part = self._run(np.stack(cut) if cut else pixels[:0], frames.tolist())
        logits = best_seen(whole.logits, part.logits, owner, self.labels)
        probabilities = self._calibration.probabilities(logits, self.labels)
        wholes = self._with_codes(whole.vectors, probabilities)
        parts = self._with_codes(part.vectors, probabilities[owner])
        embeddings = []
        for row, (one, cutout) in enumerate(zip(pictures, cutouts, strict=True)):
            own = np.flatnonzero(owner == row)
            vectors = np.concatenate([wholes[row : row + 1], parts[own]])
            boxes = np.concatenate([[one.sign], one.in_sign(cutout.boxes)], dtype=np.float32)
            places = [whole.places[row], *(part.places[at] for at in own)] if self._places else []
            embeddings.append(Embedding(vectors, boxes, to_bytes(places)))
        return Encoded(tuple(embeddings), probabilities, logits, whole.logits)

    def _with_codes(
        self, vectors: NDArray[np.float16], probabilities: NDArray[np.float32]
    ) -> NDArray[np.float16]:
        """Vectors with the block "codes" at their end, where this network has it.

        It is of the whole mark, in the vectors of parts too: a part alone would be like every mark
        of which some part shows as much.
        """
        if self._code_block is None:
            return vectors
        return np.concatenate([vectors, self._code_block.of(probabilities)], axis=1)

    def _run(self, pixels: NDArray[np.uint8], squares: Sequence[Shares]) -> "_Seen":
        """Look at (n, s, s, 3) uint8 RGB of one size, which show squares of their pictures."""
        width = 0 if self._code_block is None else self._code_block.width
        vectors = np.zeros((len(pixels), self.dimension - width), np.float16)
        logits = np.zeros((len(pixels), len(self.labels)), np.float32)
        places: list[Places] = []
        for start in range(0, len(pixels), _CHUNK):
            some = slice(start, start + _CHUNK)
            seen = self.runtime.run(pixels[some], with_maps=self._places is not None)
            vectors[some], logits[some] = seen.embedding.astype(np.float16), seen.logits
            if self._neighbours is not None:
                logits[some] += self._neighbours.votes(seen.embedding)
            if self._places is not None:
                places += self._places.code(seen.maps, pixels[some], squares[some])
        return _Seen(vectors, logits, places)

    def prepare(self, image: Image.Image) -> Prepared:
        """Make a picture ready: the part of encoding that runs in any thread without the network.

        Args:
            image: mode RGB, any size.
        """
        return self._preprocess.prepare(image, self._parts)

    def predicted(
        self, probabilities: NDArray[np.float32], minimum: float | None = None
    ) -> tuple[PredictedCode, ...]:
        """Name the codes seen in one picture, the most probable first.

        Args:
            probabilities: (labels,), one row of :attr:`Encoded.probabilities`.
            minimum: least probability; None takes each code's own calibrated threshold.
        """
        least = self._calibration.threshold if minimum is None else np.float32(minimum)
        return self._named(probabilities, np.flatnonzero(probabilities >= least))

    def perhaps(self, probabilities: NDArray[np.float32]) -> tuple[PredictedCode, ...]:
        """Name the codes that may be there, but reach their lower threshold only.

        Args:
            probabilities: (labels,), one row of :attr:`Encoded.probabilities`.
        """
        calibration = self._calibration
        offered = (probabilities >= calibration.perhaps) & (probabilities < calibration.threshold)
        return self._named(probabilities, np.flatnonzero(offered))

    def _named(
        self, probabilities: NDArray[np.float32], columns: NDArray[np.int64]
    ) -> tuple[PredictedCode, ...]:
        codes = [PredictedCode(self.labels[at], float(probabilities[at])) for at in columns]
        return tuple(sorted(codes, key=lambda seen: (-seen.probability, seen.code)))

    def probabilities_of(self, predicted: Iterable[PredictedCode]) -> NDArray[np.float32]:
        """The row of :attr:`Encoded.probabilities` that codes were named from: (labels,).

        Args:
            predicted: codes with their probabilities; all others count as 0, and those that are no
                labels of this network are left out.
        """
        known = {seen.code: seen.probability for seen in predicted}
        return np.array([known.get(code, 0.0) for code in self.labels], np.float32)

    @property
    def thresholds(self) -> dict[ViennaCode, float]:
        """The probability from which each code counts as seen."""
        return dict(zip(self.labels, self._calibration.threshold.tolist(), strict=True))


class _Seen(NamedTuple):
    """What the network says of n pictures of one size; no places where it gives none."""

    vectors: NDArray[np.float16]  # (n, d), without the block "codes"
    logits: NDArray[np.float32]  # (n, labels)
    places: list[Places]


def _choose_runtime(checkpoint: Checkpoint, device: Device, runtime: RuntimeName) -> Runtime:
    """The one place that decides what computes."""
    if device == "auto":
        device = "cuda" if runtime != "openvino" and _cuda_is_there() else "cpu"
    elif device == "cuda" and not _cuda_is_there():
        raise MissingPackage(
            "MARKLENS_DEVICE=cuda, but torch sees no CUDA device: check nvidia-smi and that "
            "MarkLens has its extra 'gpu', or use auto"
        )
    if runtime == "auto":
        runtime = "openvino" if device == "cpu" and checkpoint.openvino_sha256 else "torch"
    if runtime == "openvino":
        if device == "cuda":
            raise MissingPackage("the OpenVINO runtime computes on the CPU: use torch for CUDA")
        return _openvino_runtime(checkpoint)
    MissingPackage.check("torch", "train", f"{checkpoint.folder}: a network without OpenVINO model")
    from models.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime(checkpoint.load_network(), device)


def _openvino_runtime(checkpoint: Checkpoint) -> Runtime:
    from models.runtimes.openvino_runtime import OpenVinoRuntime

    parts = checkpoint.parts
    sizes = [checkpoint.preprocess.size] + ([parts.size] if parts else [])
    has_places = checkpoint.places is not None
    return OpenVinoRuntime(checkpoint.openvino_model(), sizes, with_maps=has_places)


def _cuda_is_there() -> bool:
    """Whether torch can use a GPU, without importing torch on machines that have no driver."""
    if not Path("/proc/driver/nvidia").exists() and not Path("/dev/dxg").exists():
        return False
    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
