"""The shipped network's run, small: tabulate what is cached, learn from it, conclude."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.encoder import Encoder
from models.marknet import learn, training_pictures
from models.marknet.learn import Sources, conclude, fit, training_data
from models.marknet.real_logos import Reading
from models.marknet.table import UNKNOWN, Table, tabulate, training_thing_groups
from models.marknet.training_pictures import SharedPack, held_out_jobs, split_of_key
from models.network.calibration import Calibration
from models.network.checkpoint import Checkpoint, save_checkpoint
from models.network.marknet import MarkNet, NetworkConfig
from models.network.parts import Parts
from models.network.preprocess import Preprocess
from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.drawings import (
    HELD_OUT_SETS,
    BrandLogo,
    Pictogram,
    place_of_brand,
    split_of_brand,
)
from models.synthesis.fonts import FontBook
from models.training.feature_sources import Conv5Source, FeatureSource, LowerMapSource
from models.training.lower_maps import (
    KeptPixels,
    LowerMaps,
    PictureJob,
    TorchLowerLayers,
    cache_lower_maps,
    whole_key,
)
from models.training.recipe import Recipe
from models.training.trainer import Trainer
from models.training.transfer import average_weights, transfer_weights
from models.vienna import ViennaCode

CAT, CUP, LETTERS = (ViennaCode.parse(text) for text in ("03.01", "11.03", "27.05"))
CATS = ViennaCode.parse("03.01.06")
SETS = {"train": ("ink", "line"), "test": sorted(HELD_OUT_SETS)[:2]}
SIZE = 96


def drawn(code: ViennaCode, number: int, beside: bool = False) -> Image.Image:
    """A disc for a cat, a square for a cup; in marks, with a bar of writing some way below."""
    image = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(image)
    shape = pen.ellipse if code == CAT else pen.rectangle
    side = 40 + number % 20
    shape((4, 4, side, side), fill=(number * 7 % 160, 0, 0))
    if beside:
        pen.rectangle((4, 80, 92, 90), fill="black")
    return image


@dataclass(frozen=True)
class Small:
    """A pack of both sides, its pictures cached, and where."""

    folder: Path
    jobs: list[PictureJob]
    pack: SharedPack
    maps: LowerMaps
    table: Table


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("marks")
    listed: list[PictureJob] = []
    pictograms: dict[tuple[str, str], Pictogram] = {}
    logos: dict[tuple[str, str], BrandLogo] = {}
    concepts: dict[str, list[tuple[str, str]]] = {"cat": [], "cup": []}
    notes = []

    def add(key: str, draw: Callable[[], Image.Image]) -> None:
        listed.append(PictureJob(key, draw, SIZE, Parts(size=64)))

    for side, sets in SETS.items():
        for number in range(20 if side == "train" else 6):
            for name, code in (("cat", CAT), ("cup", CUP), *[("pet", CAT)] * (number == 0)):
                for set_ in sets:
                    own = f"{name}-{number}"
                    member = (set_, own)
                    pictograms[member] = Pictogram(set_, own, (code,), False, "MIT", "")
                    concepts.setdefault(name, []).append(member)
                    add(f"icon:{set_}/{own}", lambda c=code, n=number: drawn(c, n))  # type: ignore[misc]
                key = f"composed:{side}#{number}{name}"
                codes = [str(code), str(LETTERS)]
                shown = [(sets[0], f"{name}-{number}")]
                notes.append({"key": key, "codes": codes, "sections": [], "members": shown})
                add(key, lambda c=code, n=number: drawn(c, n, beside=True))  # type: ignore[misc]
    brands = add_brands(logos, add)
    readings = add_readings(logos, add)
    (folder / "notes.jsonl").write_text("".join(json.dumps(note) + "\n" for note in notes))
    statistics = CodeStatistics.count([(["030101"], True)])
    held_out = [key for key in readings if split_of_brand(logos[key].brand) == "test"]
    demo = frozenset(held_out[::3])
    pack = SharedPack(pictograms, logos, brands, concepts, statistics, readings, demo)
    lower = TorchLowerLayers(network(1))
    cache_lower_maps(listed, lower, folder / "maps")
    maps = LowerMaps(folder / "maps")
    table = tabulate(pack, maps.keys, maps.colour, folder / "notes.jsonl")
    return Small(folder, listed, pack, maps, table)


def add_brands(
    logos: dict[tuple[str, str], BrandLogo], add: Callable[[str, Callable[[], Image.Image]], None]
) -> dict[str, list[tuple[str, str]]]:
    """Forty brands of two logos each, every other with writing below."""
    brands = {}
    for number in range(40):
        brand = f"brand {number}"
        brands[brand] = [("one", f"logo{number}"), ("two", f"logo{number}")]
        for set_, name in brands[brand]:
            logos[set_, name] = BrandLogo(set_, name, brand, "MIT", "")
            add(f"brand:{set_}/{name}", lambda n=number: drawn(CAT, n, beside=n % 2 > 0))  # type: ignore[misc]
    assert {split_of_brand(brand) for brand in brands} == {"train", "test"}
    return brands


def add_readings(
    logos: dict[tuple[str, str], BrandLogo], add: Callable[[str, Callable[[], Image.Image]], None]
) -> dict[tuple[str, str], Reading]:
    """Logos of brands of their own that a person read, as they are and beside lettering."""
    readings = {}
    for number in range(300):
        key, code = ("read", f"logo{number}"), (CAT, CUP)[number % 2]
        logos[key] = BrandLogo(*key, f"read brand {number}", "MIT", "")
        sure = (CATS,) if code == CAT and number % 4 else (code,)
        doubtful = (ViennaCode(26, 1, 3),) if number % 3 else ()
        readings[key] = Reading(sure, doubtful, ("cat" if code == CAT else "mug",))
        add(f"brand:read/logo{number}", lambda c=code, n=number: drawn(c, n))  # type: ignore[misc]
        add(
            f"lettered:read/logo{number}#0",
            lambda c=code, n=number: drawn(c, n, beside=True),  # type: ignore[misc]
        )
    return readings


def network(labels: int, seed: int = 0) -> MarkNet:
    torch.manual_seed(seed)  # so that no test depends on which ran before
    return MarkNet(NetworkConfig(labels, visual=16, concept=8, trunk=16, narrow=32, std=(64,) * 3))


def test_a_thing_need_only_be_seen_in_a_part(small: Small) -> None:
    data = training_data(small.pack, small.table)
    assert any(small.table.keys[row].startswith("brand:") for row in data.parts)
    beside = [row for row in data.parts if small.table.keys[row].startswith("composed:")]
    assert len(beside) >= 20
    test_side = set(np.flatnonzero(small.table.split == "test").tolist())
    for row, parts in data.parts.items():
        assert not test_side & {row, *parts.tolist()}
        assert {whole_key(small.table.keys[part]) for part in parts} == {small.table.keys[row]}
    labels = small.table.labels.codes
    shown = {str(code) for code, on in zip(labels, data.shown, strict=True) if on}
    assert {"03", "03.01", "24"} <= shown
    assert not {"27", "27.05", "29"} & shown


def test_pictures_are_drawn_by_kind(small: Small) -> None:
    data = training_data(small.pack, small.table)
    share = dict(zip(data.labelled.tolist(), data.chances.tolist(), strict=True))
    of = {
        kind: sum(share.get(row, 0.0) for row in small.table.rows(kind, "train"))
        for kind in ("icon", "composed", "brand", "lettered")
    }
    assert of == pytest.approx({"icon": 0.3, "composed": 0.28, "brand": 0.22, "lettered": 0.2})
    held_out = np.flatnonzero(small.table.split != "train").tolist()
    assert not set(share) & set(held_out)


def test_a_brand_is_on_one_side_and_what_chose_before_is_not_measured(small: Small) -> None:
    sides = {key: small.pack.side_of_logo(key) for key in small.pack.readings}
    assert set(sides.values()) == {"train", "validation", "test"}
    for key, side in sides.items():
        if split_of_brand(small.pack.logos[key].brand) == "test":
            assert side == ("validation" if key in small.pack.demo else "test")
        for kind in ("brand:{}/{}", "lettered:{}/{}#0"):
            row = small.table.row_of[kind.format(*key)]
            assert small.table.split[row] == side
    # A brand that networks were trained on without readings is never held out afterwards.
    for key in small.pack.further_logos["train"]:
        assert small.pack.side_of_logo(key) == "train"


def test_what_a_person_doubts_is_neither_taught_nor_measured(small: Small) -> None:
    table = small.table
    column = {str(code): at for at, code in enumerate(table.labels.codes)}

    def targets(key: str) -> dict[str, float]:
        row = table.targets[table.row_of[key]]
        return {code: float(row[at]) for code, at in column.items()}

    read = targets("brand:read/logo2")  # surely a cat, a ring perhaps
    assert (read["03.01"], read[str(CATS)], read["11.03"]) == (1, 1, 0)
    assert read["26"] == UNKNOWN
    assert read["27"] == 0
    assert targets("brand:read/logo3")["26"] == 0  # no doubt
    assert targets("brand:read/logo0")[str(CATS)] == UNKNOWN  # some pet: which one is not known
    assert targets("brand:read/logo1")[str(CATS)] == 0  # a cup
    lettered = targets("lettered:read/logo2#0")
    assert (lettered["03.01"], lettered["27.05"], lettered["26"]) == (1, 1, UNKNOWN)


def test_logos_and_pictograms_of_one_thing_are_taught_together(small: Small) -> None:
    taught = [
        {small.table.keys[row] for row in rows}
        for rows in training_thing_groups(small.pack, small.table)
    ]
    cats = next(keys for keys in taught if "icon:ink/cat-0" in keys or "icon:ink/cat-1" in keys)
    assert {key.partition(":")[0] for key in cats} == {"icon", "brand", "lettered"}
    assert any(keys and all("read/" in key for key in keys) for keys in taught)  # mugs
    for keys in taught:
        assert {small.table.split[small.table.row_of[key]] for key in keys} == {"train"}


def test_a_name_tells_the_section_and_a_vague_one_leaves_it_open(small: Small) -> None:
    table = small.table
    column = {str(code): at for at, code in enumerate(table.labels.codes)}
    assert not [code for code in table.labels.codes if code.category > 24 and code.section]

    def target(key: str) -> float:
        return float(table.targets[table.row_of[key], column[str(CATS)]])

    assert target("icon:ink/cat-0") == 1
    assert target("icon:ink/cup-0") == 0
    assert target("icon:ink/pet-0") == UNKNOWN  # 03.01, but which animal?
    assert target("composed:train#0cat") == 1  # by the drawing in it
    assert target("composed:train#0cup") == 0


def test_what_was_learnt_is_averaged_with_what_it_came_from(tmp_path: Path) -> None:
    labels, learnt, weights = (CAT, CUP), network(2), []
    for seed, name in enumerate(("first", "second"), 1):
        before = network(2, seed)
        save_checkpoint(
            *(tmp_path / name, before),
            preprocess=Preprocess(),
            labels=labels,
            weights={},
            calibration=Calibration.none(2),
            metrics={},
        )
        weights.append(before.heads.vienna.weight.detach().clone())
    weights.append(learnt.heads.vienna.weight.detach().clone())
    average_weights(
        learnt, labels, [Checkpoint.open(tmp_path / name) for name in ("first", "second")]
    )
    expected = torch.stack(weights).mean(dim=0)
    torch.testing.assert_close(learnt.heads.vienna.weight.detach(), expected, atol=1e-3, rtol=0)
    same = {name: value.clone() for name, value in learnt.state_dict().items()}
    average_weights(learnt, labels, [])
    for name, value in learnt.state_dict().items():
        torch.testing.assert_close(value, same[name])


def test_a_network_that_learns_further_begins_with_what_it_knows(tmp_path: Path) -> None:
    old, new = (ViennaCode(3), CAT, LETTERS), (ViennaCode(3), CAT, CATS, CUP)
    knows, learns = network(len(old)), network(len(new))
    save_checkpoint(
        *(tmp_path, knows),
        preprocess=Preprocess(),
        labels=old,
        weights={},
        calibration=Calibration.none(len(old)),
        metrics={},
    )
    transfer_weights(learns, new, Checkpoint.open(tmp_path))
    pixels = torch.from_numpy(np.stack([np.asarray(drawn(code, 1)) for code in (CAT, CUP)]))
    was, now = (each.eval()(pixels).logits.detach() for each in (knows, learns))
    assert now[:, :2] == pytest.approx(was[:, :2], abs=0.01)  # a checkpoint is float16
    assert now[:, 2] == pytest.approx(was[:, 1], abs=0.01)  # a section begins as its division
    assert (now[:, 3] < -2).all()  # of cups it has never heard: rare


def test_a_run_ends_in_a_checkpoint_that_hears_parts(small: Small) -> None:
    table = small.table
    net = network(len(table.labels.codes))
    net.backbone.load_state_dict(network(1).backbone.state_dict())
    recipe = Recipe(steps=12, labelled=24, signs=4, concepts=2, remembered=2, proxy_weight=1.0)
    data = training_data(small.pack, table)
    trainer = Trainer(net, LowerMapSource(small.maps), data, recipe)
    fit(trainer, small.folder / "state.pt", table)
    conclude(trainer, small.pack, table, small.maps, small.folder / "checkpoint")

    checkpoint = Checkpoint.open(small.folder / "checkpoint")
    assert checkpoint.parts == Parts()
    assert checkpoint.preprocess == Preprocess()
    assert checkpoint.neighbours is not None
    measured = checkpoint.metrics["classification"]
    assert measured["composed marks"]["pictures"] == 6  # half of the test side; the rest calibrates
    read = table.labelled("brand", "test")
    for form in ("real logos", "real logos beside lettering"):
        things = measured[form]["things"]
        assert measured[form]["pictures"] == len(read)
        assert things["labels"] < measured[form]["category"]["labels"]
        assert things["constant prior"]["mAP"] <= things["mAP"] <= 1
        recalls = [recall for _, recall in things["precision, recall"].values()]
        assert recalls == sorted(recalls, reverse=True)
    assert set(measured["icon sets"]["category"]) >= {"mAP", "constant prior"}
    sections = measured["icon sets"]["section"]
    assert sections["labels"] == 2  # cats, cups
    assert sections["constant prior"]["mAP"] <= sections["mAP"] <= 1
    groups = {"brand groups", "concept groups", "things, real logos"}
    assert set(checkpoint.metrics["retrieval"]["visual"]) == groups
    assert checkpoint.metrics["retrieval gallery"]["things, real logos"] == len(read)
    seen = Encoder.load(checkpoint.folder, "cpu", "torch").encode([drawn(CAT, 1, beside=True)])
    assert seen.probabilities.shape == (1, len(table.labels.codes))


def test_every_layer_trains_on_cached_pixels_as_far_as_it_comes_in_some_minutes(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = network(len(small.table.labels.codes))
    save_checkpoint(
        *(tmp_path / "start", start),
        preprocess=Preprocess(),
        labels=small.table.labels.codes,
        weights={},
        calibration=Calibration.none(len(small.table.labels.codes)),
        metrics={},
    )
    run = tmp_path / "run"
    cache_lower_maps(small.jobs, KeptPixels(), run / "pixels")
    shutil.copy(small.folder / "notes.jsonl", run / "composed.jsonl")
    monkeypatch.setattr(Sources, "pack", lambda _: small.pack)
    quick = replace(learn.WHOLE, labelled=2, signs=1, concepts=1, remembered=1)
    monkeypatch.setattr(learn, "WHOLE", quick)
    command = [
        *("--out", str(run), "--start", str(tmp_path / "start"), "--depth", "all"),
        *("--minutes", "0.05", "--skip-cache"),
    ]
    learn.main(command)
    learnt = Checkpoint.open(run / "checkpoint")
    steps = learnt.metrics["recipe"]["steps"]
    assert steps >= 25
    assert learnt.metrics["recipe"]["depth"] == "all"
    assert learnt.metrics["pictures"] == len(small.maps)
    before, after = start.state_dict(), learnt.load_network().state_dict()
    for layer in ("backbone.features.0.weight", "backbone.features.34.weight"):
        assert not torch.equal(before[layer], after[layer])

    learn.main(command)  # goes on where it ended: not a step more, however much time there is
    again = Checkpoint.open(run / "checkpoint")
    assert again.fingerprint == learnt.fingerprint
    assert again.metrics["recipe"]["steps"] == steps


def test_nothing_that_was_trained_on_calibrates_or_measures(small: Small, tmp_path: Path) -> None:
    fonts = FontBook([Path("/usr/share/fonts/truetype/dejavu")])
    keys = {job.key for job in held_out_jobs(small.pack, fonts, tmp_path / "notes.jsonl")}
    assert {split_of_key(key, small.pack) for key in keys} == {"validation", "test"}
    assert {key.partition(":")[0] for key in keys} == {"brand", "lettered", "icon", "composed"}


def test_what_conv5_makes_is_kept_while_only_the_heads_learn(small: Small, tmp_path: Path) -> None:
    net = network(len(small.table.labels.codes)).eval()
    kept, rows = Conv5Source(small.maps, tmp_path), np.array([5, 3, 400, 5, 90])

    def said(source: FeatureSource) -> torch.Tensor:
        logits = torch.zeros(len(rows), net.config.labels)
        for places, seen in source.forward(net, rows):
            logits[places] = seen.logits.detach()
        return logits

    expected = said(LowerMapSource(small.maps))
    torch.testing.assert_close(said(kept), expected, atol=1e-2, rtol=1e-2)
    with torch.no_grad():  # conv5 is not asked again, the heads are
        for parameter in net.backbone.parameters():
            parameter.zero_()
    torch.testing.assert_close(said(kept), expected, atol=1e-2, rtol=1e-2)
    with torch.no_grad():
        net.heads.vienna.bias.add_(1)
    torch.testing.assert_close(said(kept), expected + 1, atol=1e-2, rtol=1e-2)


def test_brands_beyond_the_old_split_are_held_out_if_no_network_met_them(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_pictures, "_SINGLES", 0)
    fresh = replace(small.pack)
    moved = {
        place_of_brand(small.pack.logos[key].brand): fresh.side_of_logo(key)
        for key in fresh.readings
        if split_of_brand(fresh.logos[key].brand) == "train"
    }
    assert {place for place, side in moved.items() if side == "test"} <= {20, 21}
    assert "validation" in moved.values()
    assert {side for place, side in moved.items() if place >= 30} == {"train"}
