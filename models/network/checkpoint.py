"""A network on disk: weights, shape, preprocessing, labels, calibration, scores, fingerprint.

A checkpoint is a folder::

    model.safetensors    every tensor of MarkNet, float16
    config.json          NetworkConfig, Preprocess, Parts, labels, blocks, calibration, metrics
    openvino_int8.xml    the same network for the CPU, convolutions in int8 (with .bin beside it)
    codes.safetensors    how probabilities become the block "codes"; without it there is none
    places.safetensors   how places are coded; without it there are none
    neighbours.safetensors   labelled pictures that vote for codes; without it none do
    MODEL_CARD.md        how it was made and what it scores

The fingerprint names what the embeddings depend on: tensors, shape, preprocessing, how parts are
cut out, and what makes the block "codes" and the places. Vectors of different fingerprints must
never meet in one index. The OpenVINO model computes the same embeddings. It, the block, the places
and the labelled pictures have digests of their own in config.json, so that neither a damaged one
nor another network's is used.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from models.errors import BadCheckpoint
from models.network.calibration import Calibration
from models.network.code_block import CODES, SHARE, CodeBlock
from models.network.neighbours import Neighbours
from models.network.parts import Parts
from models.network.places import PlaceCoder
from models.network.preprocess import Preprocess
from models.network.score_calibration import ScoreCalibration
from models.run_folder import write_atomically
from models.vienna import ViennaCode

if TYPE_CHECKING:
    from models.network.marknet import MarkNet

FORMAT = 1
WEIGHTS, CONFIG, OPENVINO = "model.safetensors", "config.json", "openvino_int8.xml"
CODE_BLOCK, PLACES = "codes.safetensors", "places.safetensors"
NEIGHBOURS = "neighbours.safetensors"
# Version: 1 was the whole sign alone, 2 had parts cut out of the small picture; in 3 OpenVINO mixed
# up the codes of pictures of one batch, by the mean of votes in the model that was exported.
EMBEDDING = 4
SHIPPED = Path(__file__).parents[1] / "weights" / "marknet"


@dataclass(frozen=True, slots=True)
class Block:
    """One aspect of the embedding: columns ``start:stop``, and its default weight."""

    name: str
    start: int
    stop: int
    weight: float


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
        code_block: what makes the block "codes"; None where the embedding has none.
        score_calibration: what scores of its embeddings mean; None where nobody fitted it.
        places: how places are coded; None where the embedding has none.
        neighbours: labelled pictures that vote for codes; None where there are none.
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
    code_block: CodeBlock | None = None
    score_calibration: ScoreCalibration | None = None
    places: PlaceCoder | None = None
    neighbours: Neighbours | None = None

    @classmethod
    def open(cls, folder: Path = SHIPPED) -> "Checkpoint":
        """Read and check a checkpoint's configuration.

        Raises:
            BadCheckpoint: the folder or a file in it is missing, damaged or of another format.
        """
        path = folder / CONFIG
        try:
            config = dict(json.loads(path.read_text("utf-8")))
        except OSError as error:
            raise BadCheckpoint(
                f"{folder} holds no network ({CONFIG} cannot be read: {error.strerror}); "
                "set MARKLENS_CHECKPOINT to a checkpoint's folder, or leave it unset"
            ) from error
        except (TypeError, ValueError) as error:
            raise BadCheckpoint(f"{path}: damaged, not JSON; copy the folder again") from error
        if config.get("format") != FORMAT:
            raise BadCheckpoint(f"{folder}: format {config.get('format')!r}, not {FORMAT}")
        if not (folder / WEIGHTS).is_file():
            raise BadCheckpoint(f"{folder}: {WEIGHTS} is missing; copy the whole folder again")
        try:
            return cls._from_config(folder, config)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(f"{path}: incomplete or damaged ({error!r})") from error

    @classmethod
    def _from_config(cls, folder: Path, config: dict[str, Any]) -> "Checkpoint":
        block = _read_checked(folder / CODE_BLOCK, config.get("codes_sha256"))
        places = _read_checked(folder / PLACES, config.get("places_sha256"))
        neighbours = _read_checked(folder / NEIGHBOURS, config.get("neighbours_sha256"))
        checkpoint = cls(
            folder=folder,
            network=config["network"],
            preprocess=Preprocess(**config["preprocess"]),
            parts=Parts(**config["parts"]) if config.get("parts") else None,
            labels=tuple(ViennaCode.parse(text) for text in config["labels"]),
            blocks=tuple(Block(**block) for block in config["blocks"]),
            calibration=Calibration.from_dict(config["calibration"]),
            metrics=config["metrics"],
            fingerprint=config["fingerprint"],
            openvino_sha256=config.get("openvino_sha256"),
            code_block=CodeBlock.from_bytes(block) if block else None,
            score_calibration=_read_score_calibration(config),
            places=PlaceCoder.from_bytes(places) if places else None,
            neighbours=Neighbours.from_bytes(neighbours) if neighbours else None,
        )
        if config.get("embedding") == EMBEDDING:
            return checkpoint
        # Saved by a MarkLens that embedded pictures otherwise; its OpenVINO model is of old, too.
        new = checkpoint.computed_fingerprint()
        return replace(checkpoint, fingerprint=new, score_calibration=None, openvino_sha256=None)

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
        if self.computed_fingerprint() != self.fingerprint:
            raise BadCheckpoint(f"{path}: does not match its config.json; copy the folder again")
        return network.eval()

    def computed_fingerprint(self) -> str:
        """Name the network by what its embeddings depend on: 16 hexadecimal digits."""
        settings: dict[str, Any] = {
            "embedding": EMBEDDING,
            "network": self.network,
            "preprocess": self.preprocess.to_dict(),
            "parts": self.parts and self.parts.to_dict(),
        }
        digest = hashlib.sha256((self.folder / WEIGHTS).read_bytes())
        if self.code_block is not None:
            calibration = self.calibration.to_dict()  # thresholds change no probability
            settings["calibration"] = [calibration[name] for name in ("slope", "offset", "below")]
            digest.update(self.code_block.to_bytes())
            if self.neighbours is not None:  # they change what is depicted, and nothing else
                digest.update(self.neighbours.to_bytes())
        if self.places is not None:
            digest.update(self.places.to_bytes())
        digest.update(json.dumps(settings, sort_keys=True).encode())
        return digest.hexdigest()[:16]


def _read_checked(path: Path, sha256: str | None) -> bytes:
    """A file of a checkpoint; empty if it has none.

    Raises:
        BadCheckpoint: it is missing or damaged.
    """
    if sha256 is None:
        return b""
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BadCheckpoint(f"{path}: missing or damaged; copy the whole folder again")
    return content


def _openvino_digest(model: Path) -> str:
    """SHA-256 of the ``.xml`` and the ``.bin`` beside it.

    Raises:
        OSError: one cannot be read.
    """
    both = model.read_bytes() + model.with_suffix(".bin").read_bytes()
    return hashlib.sha256(both).hexdigest()


def record_openvino(folder: Path) -> None:
    """Note in a checkpoint's ``config.json`` its OpenVINO model, which was just written."""
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    made = {"embedding": EMBEDDING, "openvino_sha256": _openvino_digest(folder / OPENVINO)}
    write_config(folder, {**config, **made})


def add_code_block(folder: Path, block: CodeBlock) -> Checkpoint:
    """Give a checkpoint's embeddings the block "codes", or another one than it had.

    Its weight is such that it makes a fifth of the default score.

    Args:
        folder: the checkpoint.
        block: made for its labels and calibration.
    """
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    others = [one for one in config["blocks"] if one["name"] != CODES]
    weight = sum(one["weight"] for one in others) * SHARE / (1.0 - SHARE)
    start = others[-1]["stop"]
    added = Block(CODES, start, start + block.width, round(weight, 4))
    return _add_file(folder, CODE_BLOCK, block.to_bytes(), blocks=[*others, asdict(added)])


def record_scores(
    folder: Path, calibration: ScoreCalibration, measured: Mapping[str, Any]
) -> Checkpoint:
    """Note in a checkpoint's ``config.json`` what scores of its embeddings mean.

    Args:
        folder: the checkpoint; with other weights, or another way to embed, it is to be done again.
        calibration: fitted on pairs that it was not trained on.
        measured: how it holds, as shown in the model card.
    """
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    of = Checkpoint.open(folder).fingerprint
    config["scores"] = {"fingerprint": of, "calibration": calibration.to_dict(), **measured}
    return write_config(folder, config)


def _read_score_calibration(config: Mapping[str, Any]) -> ScoreCalibration | None:
    """What scores mean; None where nobody fitted it, or for other embeddings."""
    scores = config.get("scores")
    if scores is None or scores["fingerprint"] != config["fingerprint"]:
        return None
    return ScoreCalibration(**scores["calibration"])


def add_places(folder: Path, places: PlaceCoder) -> Checkpoint:
    """Give a checkpoint's embeddings places, fitted to its conv4, or others than they had."""
    return _add_file(folder, PLACES, places.to_bytes())


def add_neighbours(folder: Path, neighbours: Neighbours) -> Checkpoint:
    """Give a checkpoint labelled pictures; its calibration is of logits with their votes."""
    return _add_file(folder, NEIGHBOURS, neighbours.to_bytes())


def _add_file(folder: Path, name: str, content: bytes, **changes: object) -> Checkpoint:
    """Write a file of a checkpoint, its digest, and what it changes in the configuration."""
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return write_config(folder, {**config, **changes, f"{Path(name).stem}_sha256": digest})


def write_config(folder: Path, config: dict[str, Any]) -> Checkpoint:
    """Write ``config.json`` with the network's fingerprint; return the checkpoint read back."""
    known = {**config, "embedding": EMBEDDING, "fingerprint": ""}
    if config.get("embedding") != EMBEDDING:
        known["openvino_sha256"] = None  # of old, too
    checkpoint = Checkpoint._from_config(folder, known)
    known["fingerprint"] = checkpoint.computed_fingerprint()
    write_atomically(folder / CONFIG, json.dumps(known, indent=1) + "\n")
    return Checkpoint.open(folder)


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

    An OpenVINO model, a block "codes", places and labelled pictures that the folder held are
    another network's now, and removed.

    Args:
        folder: created if missing.
        network: its ``config`` is saved too.
        preprocess: the pictures' way in.
        labels: the Vienna code of each logit.
        weights: default weight of each block, in the embedding's order; that of the block
            "codes" is for :func:`add_code_block`.
        calibration: arrays of ``len(labels)``.
        metrics: what the network scores, as shown in the model card.
        parts: how parts are cut out, where the calibration is of pictures with theirs.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    small = (CODE_BLOCK, PLACES, NEIGHBOURS)
    for stale in (OPENVINO, Path(OPENVINO).with_suffix(".bin"), *small):
        (folder / stale).unlink(missing_ok=True)
    state = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors leaves it to its owner alone; servers read it
    config = {
        "format": FORMAT,
        "network": network.config.to_dict(),
        "preprocess": preprocess.to_dict(),
        "parts": parts and parts.to_dict(),
        "blocks": _laid_out(network, weights),
        "labels": [str(code) for code in labels],
        "calibration": calibration.to_dict(),
        "metrics": metrics,
    }
    # Through JSON once, so that the fingerprint is of what reading back gives.
    return write_config(folder, json.loads(json.dumps(config)))


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
        if name == CODES:
            continue
        stop = start + lengths[name]
        blocks.append({"name": name, "start": start, "stop": stop, "weight": weight})
        start = stop
    return blocks
