"""The network that ships: both runtimes agree on real marks, and real marks find themselves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.agreement import agreement
from models.encoder import Encoder
from models.errors import BadCheckpoint
from models.images import decode_image
from models.network.backbone import VGG16_CONVOLUTIONS, Vgg19Features, vgg19_state_from_vgg16
from models.network.checkpoint import (
    CONFIG,
    OPENVINO,
    SHIPPED,
    WEIGHTS,
    Checkpoint,
    record_openvino,
)
from models.network.marknet import MarkNet
from search_api.demo import demo_register


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return Encoder.load(device="cpu", runtime="openvino")


@pytest.mark.slow
def test_openvino_int8_agrees_with_torch_on_real_marks() -> None:
    # 60 marks here; `python -m benchmarks.agreement` compares the whole demo register.
    cosines, shared, count = agreement(60)
    assert count == 60
    # 0.992 where conv5_4 is rounded as a whole (`models.training.export.BesideIdentity`).
    assert cosines.mean() >= 0.998
    assert cosines.min() >= 0.98
    assert shared >= 0.95


def test_every_block_of_a_real_mark_has_unit_length(shipped: Encoder) -> None:
    pictures = sorted((demo_register() / "images").glob("*.png"))[:6]
    images = [decode_image(path.read_bytes(), path.name) for path in pictures]
    rows = shipped.encode(images).wholes.astype(np.float32)
    for block in shipped.blocks:
        lengths = np.linalg.norm(rows[:, block.start : block.stop], axis=1)
        assert lengths == pytest.approx(np.ones(6), abs=2e-3), block.name


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_a_picture_is_seen_in_a_batch_as_it_is_alone(shipped: Encoder, data: st.DataObject) -> None:
    """Indexed among others or searched for alone: the same codes, the same vectors."""
    files = sorted((demo_register() / "images").glob("*.png"))
    chosen = data.draw(st.lists(st.sampled_from(files), min_size=2, max_size=17))
    pictures = [shipped.prepare(decode_image(file.read_bytes(), file.name)) for file in chosen]
    together = shipped.encode_prepared(pictures)
    at = data.draw(st.integers(0, len(pictures) - 1))
    alone = shipped.encode_prepared([pictures[at]])
    assert np.allclose(together.probabilities[at], alone.probabilities[0], rtol=0, atol=1e-4)
    vectors = together.embeddings[at].vectors, alone.embeddings[0].vectors
    assert np.allclose(*vectors, rtol=0, atol=1e-3)  # a step of float16 below 1 is 0.0005
    calibration = shipped.checkpoint.calibration
    again = calibration.probabilities(together.logits, shipped.labels)
    assert np.array_equal(again, together.probabilities)  # so they can be calibrated anew
    alike = (together.whole_logits == together.logits).all(axis=1)
    assert all(alike[[not len(picture.parts.boxes) for picture in pictures]])


def test_a_category_is_at_least_as_probable_as_its_divisions(shipped: Encoder) -> None:
    path = next(iter(sorted((demo_register() / "images").glob("*.png"))))
    seen = shipped.encode([decode_image(path.read_bytes(), path.name)]).probabilities[0]
    found = dict(zip(shipped.labels, seen, strict=True))
    for code, probability in found.items():
        for parent in code.ancestors():
            assert found[parent] >= probability


def test_all_29_categories_and_the_divisions_are_predicted(shipped: Encoder) -> None:
    categories = [code for code in shipped.labels if code.level == "category"]
    assert [code.category for code in categories] == list(range(1, 30))
    assert sum(code.level == "division" for code in shipped.labels) > 100


def test_vgg16_deepened_to_vgg19_computes_the_same() -> None:
    import torch
    import torchvision

    torch.manual_seed(0)
    shallow = torchvision.models.vgg16(weights=None).features.eval()
    state = {f"features.{name}": tensor for name, tensor in shallow.state_dict().items()}
    assert len(state) == 2 * len(VGG16_CONVOLUTIONS)
    deep = Vgg19Features().eval()
    deep.load_state_dict(vgg19_state_from_vgg16(state))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(deep.high(deep.pool4(deep.low(pixels))), shallow[:30](pixels))


def test_a_damaged_or_missing_checkpoint_is_refused_in_words(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadCheckpoint, match="holds no network"):
        Encoder.load(tmp_path)
    for config in ("[]", "7", '["format"]', '{"format": 1'):
        (tmp_path / "config.json").write_text(config)
        with pytest.raises(BadCheckpoint):
            Encoder.load(tmp_path)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((tiny_checkpoint / name).read_bytes())
    assert Encoder.load(tmp_path, device="cpu", runtime="torch").dimension == 96
    weights = tmp_path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-7] ^= 0x40
    weights.write_bytes(bytes(content))
    with pytest.raises(BadCheckpoint, match=r"does not match its config\.json"):
        Encoder.load(tmp_path, device="cpu", runtime="torch")
    with pytest.raises(BadCheckpoint, match=r"training\.export"):
        Encoder.load(tmp_path, device="cpu", runtime="openvino")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The shipped network in a folder of its own, its big files as links."""
    for path in SHIPPED.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_damaged_openvino_model_is_refused(copied: Path, suffix: str) -> None:
    model = (copied / OPENVINO).with_suffix(suffix)
    content = bytearray(model.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 65_536] = bytes(65_536)  # still loaded by OpenVINO, where it is .bin
    model.unlink()
    model.write_bytes(content)
    with pytest.raises(BadCheckpoint, match="damaged"):
        Encoder.load(copied, device="cpu", runtime="openvino")
    model.unlink()
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        Encoder.load(copied, device="cpu")


def test_saving_a_network_leaves_no_other_networks_openvino_model(
    copied: Path, encoder: Encoder, save_changed: Callable[[Path, MarkNet, Checkpoint], None]
) -> None:
    for name in (CONFIG, WEIGHTS):
        (copied / name).unlink()
    save_changed(copied, encoder.checkpoint.load_network(), encoder.checkpoint)
    assert not list(copied.glob("openvino*"))
    assert Encoder.load(copied, device="cpu").runtime_name == "torch"


def test_an_openvino_model_that_is_not_recorded_is_not_used(copied: Path, encoder: Encoder) -> None:
    for name in (CONFIG, WEIGHTS):
        (copied / name).unlink()
        (copied / name).write_bytes((encoder.checkpoint.folder / name).read_bytes())
    assert Encoder.load(copied, device="cpu").runtime_name == "torch"
    record_openvino(copied)
    assert Encoder.load(copied, device="cpu").runtime_name == "openvino"


def test_the_shipped_folder_holds_both_runtimes() -> None:
    assert Checkpoint.open().folder == SHIPPED
    int8 = (SHIPPED / OPENVINO, (SHIPPED / OPENVINO).with_suffix(".bin"))
    assert sum(path.stat().st_size for path in int8) <= 32e6
    assert (SHIPPED / WEIGHTS).stat().st_size <= 60e6
