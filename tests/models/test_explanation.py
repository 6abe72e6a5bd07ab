"""Explanations: the written-out slopes are autograd's, and both runtimes point at one place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.encoder import Encoder
from models.explanation import Explainer
from models.images import decode_image
from models.network.checkpoint import Checkpoint
from models.network.marknet import MarkNet
from models.runtimes.openvino_runtime import OpenVinoRuntime
from models.runtimes.torch_runtime import TorchRuntime
from models.training.export import convert, name_activations
from models.vienna import PredictedCode
from search_api.demo import demo_register


def added_by_autograd(
    network: MarkNet, pixels: NDArray[np.uint8], rows: list[int]
) -> NDArray[np.float32]:
    """(rows, h, w): slope of each logit by conv5's maps times the maps, 0 where negative."""
    with torch.no_grad():
        lower = network.forward_lower(torch.from_numpy(pixels.copy())[None])
        maps = network.backbone.high(lower.maps)
    maps.requires_grad_()
    logits = network.forward_heads(maps, lower).logits[0]
    found = []
    for row in rows:
        (slope,) = torch.autograd.grad(logits[row], maps, retain_graph=True)
        found.append((slope * maps).detach().sum(dim=1)[0].clamp(min=0.0).numpy())
    return np.stack(found)


def test_the_heat_is_what_autograd_computes(
    encoder: Encoder, draw_mark: Callable[..., Image.Image]
) -> None:
    explainer, network = Explainer(encoder), encoder.checkpoint.load_network()
    rows = list(range(len(encoder.labels)))
    codes = [PredictedCode(code, 0.5) for code in encoder.labels]
    for seed in range(5):
        picture = draw_mark(seed)
        wanted = added_by_autograd(network, encoder.prepare(picture).pixels, rows)
        highest = wanted.max(axis=(1, 2), keepdims=True)
        assert (highest > 0).any()
        heat = explainer.explain(picture, codes).heat
        np.testing.assert_allclose(heat, wanted / highest.clip(min=1e-6), atol=1e-4)


def test_a_picture_without_codes_is_shown_alone(
    encoder: Encoder, draw_mark: Callable[..., Image.Image]
) -> None:
    explained = Explainer(encoder).explain(draw_mark(0), ())
    assert (explained.heat.ndim, len(explained.heat)) == (3, 0)
    assert explained.sheet().size == (224, 260)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_openvino_gives_the_activations_of_torch(
    encoder: Encoder, draw_mark: Callable[..., Image.Image], tmp_path: Path
) -> None:
    import openvino

    network = encoder.checkpoint.load_network()
    path = tmp_path / "float.xml"
    openvino.save_model(name_activations(convert(network, 64)), path, compress_to_fp16=False)
    pixels = encoder.checkpoint.preprocess.batch([draw_mark(seed) for seed in range(3)])
    found = OpenVinoRuntime(path, [64]).activations(pixels)
    wanted = TorchRuntime(network, "cpu").activations(pixels)
    for name, array in wanted._asdict().items():
        np.testing.assert_allclose(getattr(found, name), array, atol=2e-3, err_msg=name)


@pytest.mark.slow
def test_the_shipped_int8_model_explains_real_marks_as_torch_does() -> None:
    int8 = Encoder.load(device="cpu", runtime="openvino")
    exact = Encoder.load(device="cpu", runtime="torch")
    explainers = Explainer(int8), Explainer(exact)
    cosines = []
    for path in sorted((demo_register() / "images").glob("*.png"))[::240]:
        image = decode_image(path.read_bytes(), path.name)
        codes = exact.predicted(exact.encode([image]).probabilities[0])
        maps = [one.explain(image, codes).heat.reshape(len(codes), -1) for one in explainers]
        cosines += [float(a @ b / np.sqrt((a @ a) * (b @ b))) for a, b in zip(*maps, strict=True)]
    assert len(cosines) >= 30
    assert np.mean(cosines) >= 0.98  # measured: 0.990, the least 0.965
    assert min(cosines) >= 0.93


def test_an_explanation_points_at_what_made_the_vote(encoder: Encoder) -> None:
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).rectangle((2, 2, 61, 61), outline="black")
    codes = tuple(PredictedCode(code, 0.5) for code in encoder.labels[:2])
    found = Explainer(encoder).explain(image, codes)
    assert found.heat.shape == (2, 4, 4)
    assert found.heat.min() >= 0
    assert found.heat.max() <= 1 + 1e-6
    assert found.sheet().size == (3 * 224, 224 + 36)


def test_the_hottest_place_is_the_one_whose_vote_is_highest(
    encoder: Encoder, tmp_path: Path, save_changed: Callable[[Path, MarkNet, Checkpoint], None]
) -> None:
    network = encoder.checkpoint.load_network()
    with torch.no_grad():
        network.heads.vienna.weight.zero_()  # the places alone decide
        network.heads.places.weight.uniform_(0.5, 1.0)
    start = encoder.checkpoint
    save_changed(tmp_path, network, start)
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).rectangle((2, 2, 61, 61), outline="black")
    ImageDraw.Draw(image).ellipse((40, 36, 58, 56), fill="red")
    codes = (PredictedCode(start.labels[0], 0.5),)
    found = Explainer(Encoder.load(tmp_path, device="cpu", runtime="torch")).explain(image, codes)
    pixels = torch.from_numpy(start.preprocess(image).copy())[None]
    with torch.no_grad():
        votes = network.forward_upper(network.forward_lower(pixels)).places[0, 0]
    assert int(found.heat[0].argmax()) == int(votes.argmax())
