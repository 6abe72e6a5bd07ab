"""A network on disk: weights, shape, preprocessing, labels, calibration, scores, fingerprint.

A checkpoint is a folder::

    model.safetensors    every tensor of MarkNet, float16
    config.json          NetworkConfig, Preprocess, Parts, labels, blocks, calibration, metrics
    openvino_int8.xml    the same network for the CPU, convolutions in int8 (with .bin beside it)
    MODEL_CARD.md        how it was made and what it scores

The fingerprint names what the embeddings depend on: tensors, shape and preprocessing. Vectors of
different fingerprints must never meet in one index. The OpenVINO model computes the same embeddings
and has a digest of its own in config.json, so that neither a damaged one nor another network's is
used.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from models.errors import BadCheckpoint
from models.network.parts import Parts
from models.network.preprocess import Preprocess
from models.vienna import ViennaCode

if TYPE_CHECKING:
    from models.network.marknet import MarkNet

FORMAT = 1
WEIGHTS, CONFIG, OPENVINO = "model.safetensors", "config.json", "openvino_int8.xml"
SHIPPED = Path(__file__).parents[1] / "weights" / "marknet"


@dataclass(frozen=True, slots=True)
class Block:
    """One aspect of the embedding: columns ``start:stop``, and its default weight."""

    name: str
    start: int
    stop: int
    weight: float


@dataclass(frozen=True)
class Calibration:
    """Logit → probability and decision, per label.

    Attributes:
        slope: (labels,) float32.
        offset: (labels,) float32; probability = sigmoid(slope · logit + offset) (Platt scaling:
            Platt, "Probabilistic outputs for support vector machines", 1999).
        threshold: (labels,) float32, the probability from which a code counts as seen.
    """

    slope: NDArray[np.float32]
    offset: NDArray[np.float32]
    threshold: NDArray[np.float32]

    @classmethod
    def none(cls, labels: int) -> "Calibration":
        """Probabilities as the network says them; from one half on a code counts."""
        ones = np.ones(labels, np.float32)
        return cls(ones, np.zeros_like(ones), 0.5 * ones)

    def probabilities(
        self, logits: NDArray[np.float32], labels: tuple[ViennaCode, ...]
    ) -> NDArray[np.float32]:
        """Turn logits into probabilities that respect the hierarchy.

        A section implies its division, a division its category: each is at least as probable as
        what lies below it (Giunchiglia and Lukasiewicz, "Coherent hierarchical multi-label
        classification networks", NeurIPS 2020: their max constraint).

        Args:
            logits: (n, labels).
            labels: the code of each column.

        Returns:
            (n, labels) float32.
        """
        scaled = self.slope * logits + self.offset
        said: NDArray[np.float32] = 1.0 / (1.0 + np.exp(-scaled.clip(-30, 30)))
        said = said.astype(np.float32)
        for child, parent in _steps_up(labels):
            np.maximum(said[:, parent], said[:, child], out=said[:, parent])
        return said

    def coherent(self, labels: tuple[ViennaCode, ...]) -> "Calibration":
        """The same with no threshold below that of a code which it implies.

        So that where a section counts as seen, its division and category do too. Sections give
        way: thresholds of categories rest on more examples.

        Args:
            labels: the code of each column.
        """
        threshold = self.threshold.copy()
        for child, parent in reversed(_steps_up(labels)):  # divisions before their sections
            threshold[child] = max(threshold[child], threshold[parent])
        return replace(self, threshold=threshold)


@lru_cache(maxsize=4)
def _steps_up(labels: tuple[ViennaCode, ...]) -> tuple[tuple[int, int], ...]:
    """Columns of a code and of each above it, sections before divisions."""
    column = {code: at for at, code in enumerate(labels)}
    return tuple(
        (at, column[parent])
        for code, at in sorted(column.items(), reverse=True)
        for parent in code.ancestors()
        if parent in column
    )


@dataclass(frozen=True)
class Checkpoint:
    """Everything about a network but its tensors.

    Attributes:
        folder: where it lies.
        network: the fields of :class:`models.network.marknet.NetworkConfig`.
        preprocess: the pictures' way in.
        parts: how parts are cut out; None for a network that sees whole pictures only.
        labels: the Vienna code of each logit.
        blocks: aspects of the embedding, in its order.
        calibration: logit → probability and decision.
        metrics: what the network scores.
        fingerprint: 16 hexadecimal digits that name what the embeddings depend on.
        openvino_sha256: digest of the OpenVINO model's files; None where there is no such model.
    """

    folder: Path
    network: dict[str, Any]
    preprocess: Preprocess
    parts: Parts | None
    labels: tuple[ViennaCode, ...]
    blocks: tuple[Block, ...]
    calibration: Calibration
    metrics: dict[str, Any]
    fingerprint: str
    openvino_sha256: str | None

    @classmethod
    def open(cls, folder: Path = SHIPPED) -> "Checkpoint":
        """Read and check a checkpoint's configuration.

        Raises:
            BadCheckpoint: the folder or a file in it is missing, damaged or of another format.
        """
        path = folder / CONFIG
        try:
            config = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise BadCheckpoint(
                f"{folder} holds no network ({CONFIG} cannot be read: {error.strerror}); "
                "set MARKLENS_CHECKPOINT to a checkpoint's folder, or leave it unset"
            ) from error
        except ValueError as error:
            raise BadCheckpoint(f"{path}: damaged, not JSON; copy the folder again") from error
        if config.get("format") != FORMAT:
            raise BadCheckpoint(f"{folder}: format {config.get('format')!r}, not {FORMAT}")
        if not (folder / WEIGHTS).is_file():
            raise BadCheckpoint(f"{folder}: {WEIGHTS} is missing; copy the whole folder again")
        try:
            return cls._from_config(folder, config)
        except (KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(f"{path}: incomplete or damaged ({error!r})") from error

    @classmethod
    def _from_config(cls, folder: Path, config: dict[str, Any]) -> "Checkpoint":
        calibration = config["calibration"]
        preprocess = Preprocess(**config["preprocess"])
        named = config["fingerprint"]
        if "sign_rule" not in config["preprocess"]:
            # Saved by MarkLens 0.1, which prepared pictures otherwise: vectors must not meet.
            named = fingerprint(folder / WEIGHTS, config["network"], preprocess)
        return cls(
            folder=folder,
            network=config["network"],
            preprocess=preprocess,
            parts=Parts(**config["parts"]) if config.get("parts") else None,
            labels=tuple(ViennaCode.parse(text) for text in config["labels"]),
            blocks=tuple(Block(**block) for block in config["blocks"]),
            calibration=Calibration(
                *(
                    np.asarray(calibration[part], np.float32)
                    for part in ("slope", "offset", "threshold")
                )
            ),
            metrics=config["metrics"],
            fingerprint=named,
            openvino_sha256=config.get("openvino_sha256"),
        )

    def openvino_model(self) -> Path:
        """Return the path of the OpenVINO model, checked against its digest.

        Raises:
            BadCheckpoint: there is none, or it is damaged or another network's.
        """
        path = self.folder / OPENVINO
        if self.openvino_sha256 is None:
            raise BadCheckpoint(
                f"{self.folder}: holds no OpenVINO model; make it with "
                f"'python -m models.training.export {self.folder} --images DIR'"
            )
        try:
            found = _openvino_digest(path)
        except OSError as error:
            raise BadCheckpoint(
                f"{error.filename}: cannot be read ({error.strerror}); copy the whole folder again"
            ) from error
        if found != self.openvino_sha256:
            raise BadCheckpoint(
                f"{path} or its .bin: damaged, or of another network; copy the whole folder again"
            )
        return path

    def read_tensors(self, *names: str) -> dict[str, NDArray[np.float32]]:
        """Read some of the network's tensors with NumPy alone.

        Raises:
            BadCheckpoint: the weights are damaged, or one is not among them.
        """
        path = self.folder / WEIGHTS
        try:
            with safe_open(path, framework="numpy") as file:
                return {name: file.get_tensor(name).astype(np.float32) for name in names}
        except (OSError, SafetensorError) as error:
            raise BadCheckpoint(f"{path}: damaged or of another shape ({error})") from error

    def load_network(self) -> "MarkNet":
        """Build the MarkNet and load its weights (imports torch).

        Raises:
            BadCheckpoint: the weights are damaged or do not fit the shape or the fingerprint.
        """
        from safetensors.torch import load_file

        from models.network.marknet import MarkNet, NetworkConfig

        path = self.folder / WEIGHTS
        try:
            state = load_file(path)
            network = MarkNet(NetworkConfig(**self.network))
            network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        except Exception as error:
            raise BadCheckpoint(f"{path}: damaged or of another shape ({error})") from error
        if fingerprint(path, self.network, self.preprocess) != self.fingerprint:
            raise BadCheckpoint(f"{path}: does not match its config.json; copy the folder again")
        return network.eval()


def fingerprint(weights: Path, network: dict[str, Any], preprocess: Preprocess) -> str:
    """Name a network by what its embeddings depend on: 16 hexadecimal digits."""
    digest = hashlib.sha256(weights.read_bytes())
    settings = {"network": network, "preprocess": preprocess.to_dict()}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _openvino_digest(model: Path) -> str:
    """SHA-256 of the ``.xml`` and the ``.bin`` beside it.

    Raises:
        OSError: one cannot be read.
    """
    digest = hashlib.sha256(model.read_bytes())
    digest.update(model.with_suffix(".bin").read_bytes())
    return digest.hexdigest()


def record_openvino(folder: Path) -> None:
    """Note in a checkpoint's ``config.json`` which OpenVINO model belongs to it.

    Args:
        folder: the checkpoint, with ``openvino_int8.xml`` and ``.bin`` just written.
    """
    path = folder / CONFIG
    config = json.loads(path.read_text("utf-8"))
    config["openvino_sha256"] = _openvino_digest(folder / OPENVINO)
    path.write_text(json.dumps(config, indent=1) + "\n", "utf-8")


def save_checkpoint(  # noqa: PLR0913 -- the parts of a checkpoint, all but two by keyword
    folder: Path,
    network: "MarkNet",
    *,
    preprocess: Preprocess,
    labels: tuple[ViennaCode, ...],
    weights: dict[str, float],
    calibration: Calibration,
    metrics: dict[str, Any],
    parts: Parts | None = None,
) -> Checkpoint:
    """Write ``model.safetensors`` (float16) and ``config.json``; return the checkpoint read back.

    An OpenVINO model that the folder held is another network's now, and removed.

    Args:
        folder: created if missing.
        network: its ``config`` is saved too.
        preprocess: the pictures' way in.
        labels: the Vienna code of each logit.
        weights: default weight of each block, in the embedding's order.
        calibration: arrays of ``len(labels)``.
        metrics: what the network scores, as shown in the model card.
        parts: how parts are cut out, where the calibration is of pictures with theirs.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for stale in (folder / OPENVINO, (folder / OPENVINO).with_suffix(".bin")):
        stale.unlink(missing_ok=True)
    state = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors leaves it to its owner alone; servers read it
    blocks = _laid_out(network, weights)
    # Through JSON once, so that tuples compare equal to what reading back gives.
    shape = json.loads(json.dumps(network.config.to_dict()))
    config = {
        "format": FORMAT,
        "fingerprint": fingerprint(folder / WEIGHTS, shape, preprocess),
        "network": shape,
        "preprocess": preprocess.to_dict(),
        "parts": parts and parts.to_dict(),
        "blocks": blocks,
        "labels": [str(code) for code in labels],
        "calibration": {
            part: [round(float(value), 6) for value in getattr(calibration, part)]
            for part in ("slope", "offset", "threshold")
        },
        "metrics": metrics,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    return Checkpoint.open(folder)


def _laid_out(network: "MarkNet", weights: dict[str, float]) -> list[dict[str, object]]:
    """The blocks side by side, in the order of their weights."""
    lengths = {
        "visual": network.config.visual,
        "concept": network.config.concept,
        "colour": network.colour.references.shape[0],
    }
    blocks: list[dict[str, object]] = []
    start = 0
    for name, weight in weights.items():
        stop = start + lengths[name]
        blocks.append({"name": name, "start": start, "stop": stop, "weight": weight})
        start = stop
    return blocks
