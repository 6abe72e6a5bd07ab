"""Places: what each cell of a sign shows, how it is stored, and how two signs' places match."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from models.encoder import Encoder
from models.errors import BadCheckpoint
from models.network.checkpoint import SHIPPED, Checkpoint, add_places
from models.network.places import Agreement, Places, from_bytes, match, to_bytes

DEMO = Path("search_api/demo/register/images")


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return Encoder.load(SHIPPED, device="cpu", runtime="openvino")


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint_with_places: Path) -> Encoder:
    return Encoder.load(tiny_checkpoint_with_places, device="cpu", runtime="torch")


def fish(image: Image.Image, left: int, top: int, ink: str = "black") -> None:
    pen = ImageDraw.Draw(image)
    pen.ellipse((left, top + 20, left + 140, top + 100), ink)
    pen.polygon([(left + 120, top + 60), (left + 190, top), (left + 190, top + 120)], ink)
    pen.ellipse((left + 24, top + 44, left + 40, top + 60), "white")


def anchor(image: Image.Image, left: int, top: int) -> None:
    pen = ImageDraw.Draw(image)
    pen.line((left + 60, top + 20, left + 60, top + 150), "black", 16)
    pen.line((left + 20, top + 50, left + 100, top + 50), "black", 14)
    pen.arc((left, top + 40, left + 120, top + 160), 10, 170, "black", 16)


def paper(width: int = 400, height: int = 400) -> Image.Image:
    return Image.new("RGB", (width, height), "white")


def places_of(encoder: Encoder, *pictures: Image.Image) -> list[list[Places]]:
    return [from_bytes(one.places) for one in encoder.encode(pictures).embeddings]


def compare(encoder: Encoder, query: Image.Image, *marks: Image.Image) -> Agreement:
    """The places of the whole signs."""
    asked, *found = places_of(encoder, query, *marks)
    return match(asked[0], [one[0] for one in found])


def test_every_vector_has_places_in_four_kilobytes_a_mark(shipped: Encoder) -> None:
    paths = sorted(DEMO.glob("*.png"))[::100]
    encoded = shipped.encode([Image.open(path).convert("RGB") for path in paths])
    for one in encoded.embeddings:
        assert len(from_bytes(one.places)) == len(one.vectors)
    assert 1_500 < np.mean([len(one.places) for one in encoded.embeddings]) < 5_000


def test_the_same_picture_agrees_wholly_and_another_hardly(shipped: Encoder) -> None:
    one, same, other = paper(), paper(700, 500), paper()
    fish(one, 100, 100)
    fish(same, 300, 200)  # the same sign elsewhere on a larger page
    anchor(other, 100, 100)
    shares = compare(shipped, one, one, same, other).shares
    assert shares[0] == 1.0
    assert shares[1] > 0.9
    assert shares[2] < 0.35


def test_what_is_redrawn_in_another_ink_agrees_more_than_what_is_mirrored(shipped: Encoder) -> None:
    one, red = paper(), paper()
    fish(one, 100, 100)
    fish(red, 100, 100, "#c01020")
    shares = compare(shipped, one, red, ImageOps.mirror(one)).shares
    assert shares[0] > 2 * shares[1]


def test_places_that_agree_are_told_in_shares_of_both_pictures(shipped: Encoder) -> None:
    """The fish stands above an anchor in the one, alone in a corner of the other."""
    query, mark = paper(500, 500), paper(1000, 400)
    fish(query, 150, 150)
    fish(mark, 700, 40)
    asked, found = places_of(shipped, query, mark)
    agreement = match(asked[0], [found[0]])
    agrees = agreement.strength[0] > 0
    assert agrees.sum() > 20
    here = asked[0].in_picture()[agrees] * [500, 500] - [150, 150]
    there = found[0].in_picture()[agreement.best[0][agrees]] * [1000, 400] - [700, 40]
    assert np.abs(here - there).mean() < 16  # pixels; a cell has 18
    assert here.min() > -20
    assert there.max() < 210


def test_a_device_beside_a_word_agrees_with_the_device_alone_by_its_part(shipped: Encoder) -> None:
    alone, lockup = paper(), paper(900, 260)
    fish(alone, 100, 100)
    fish(lockup, 20, 60)
    pen = ImageDraw.Draw(lockup)
    for at in range(5):
        pen.rectangle((300 + 110 * at, 80, 380 + 110 * at, 180), "black")
    asked, found = places_of(shipped, alone, lockup)
    assert len(found) > 1
    whole, *parts = match(asked[0], found).shares
    assert max(parts) > 0.5
    assert max(parts) > 2 * whole


def test_torch_and_openvino_see_the_same_places(shipped: Encoder) -> None:
    picture = paper()
    fish(picture, 40, 100)
    torch = Encoder.load(SHIPPED, device="cpu", runtime="torch")
    (mine,), (reference,) = places_of(shipped, picture), places_of(torch, picture)
    assert np.array_equal(mine[0].cells, reference[0].cells)
    assert match(reference[0], [mine[0]]).shares[0] > 0.98


def test_places_are_the_same_after_storing(encoder: Encoder, draw_mark: Callable) -> None:
    (places,) = places_of(encoder, draw_mark(3))
    (again,) = from_bytes(to_bytes(places))
    assert np.array_equal(again.vectors, places[0].vectors)
    assert np.array_equal(again.cells, places[0].cells)
    assert again.square == places[0].square


def test_places_of_another_version_or_cut_short_are_refused(
    encoder: Encoder, draw_mark: Callable
) -> None:
    coded = encoder.encode([draw_mark(3)]).embeddings[0].places
    with pytest.raises(ValueError, match="version 9"):
        from_bytes(b"\x09" + coded[1:])
    with pytest.raises(ValueError, match="buffer"):
        from_bytes(coded[:-5])
    with pytest.raises(ValueError, match="cut short"):
        from_bytes(coded[:2])


def test_nothing_agrees_with_a_picture_without_places(
    encoder: Encoder, draw_mark: Callable
) -> None:
    (places,) = places_of(encoder, draw_mark(3))
    none = Places(places[0].vectors[:0], places[0].cells[:0], places[0].grid, places[0].square)
    assert match(places[0], [none]).shares.tolist() == [0.0]
    assert match(none, [places[0], none]).shares.tolist() == [0.0, 0.0]
    assert match(places[0], []).shares.tolist() == []


def test_a_checkpoint_without_places_gives_none_under_another_fingerprint(
    tiny_checkpoint_with_places: Path, tmp_path: Path, save_changed: Callable, draw_mark: Callable
) -> None:
    start = Checkpoint.open(tiny_checkpoint_with_places)
    assert start.places is not None
    save_changed(tmp_path, start.load_network(), start)
    encoder = Encoder.load(tmp_path, device="cpu", runtime="torch")
    assert encoder.fingerprint != start.fingerprint
    assert encoder.encode([draw_mark(3)]).embeddings[0].places == b""
    assert add_places(tmp_path, start.places).fingerprint == start.fingerprint
    other = replace(start.places, mean=start.places.mean + 1)
    assert add_places(tmp_path, other).fingerprint != start.fingerprint


def test_a_damaged_or_missing_coding_of_places_is_refused(
    tiny_checkpoint_with_places: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_checkpoint_with_places, tmp_path / "copy")
    path = folder / "places.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(BadCheckpoint, match="places"):
        Checkpoint.open(folder)
    path.unlink()
    with pytest.raises(BadCheckpoint, match="places"):
        Checkpoint.open(folder)
