"""Fine-tuning on one's own pictures: it learns, resumes, stops early, and says what is wrong."""

import csv
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.encoder import Encoder
from models.errors import BadCheckpoint, BadLabels
from models.evaluation.labels_csv import read_labels
from models.explanation import Explainer
from models.network.checkpoint import Checkpoint
from models.network.marknet import Lower, MarkNet
from models.network.parts import Parts
from models.training.labelled_pictures import LabelledPictures
from models.training.lower_maps import (
    LowerMaps,
    PictureJob,
    TorchLowerLayers,
    cache_lower_maps,
    part_key,
    whole_key,
)
from models.training.trainer import TrainingProgress
from models.training.training_report import write_report
from models.training.training_run import (
    EpochResult,
    TrainingCallbacks,
    TrainingRequest,
    read_history,
    train,
)
from models.vienna import PredictedCode


def quiet(stop_after: int | None = None) -> TrainingCallbacks:
    """A watcher that tells nobody, and breaks off after some steps."""

    def stepped(progress: TrainingProgress, steps: int) -> None:
        assert progress.step <= steps
        if progress.step == stop_after:
            raise KeyboardInterrupt

    def finished(epoch: EpochResult) -> None:
        assert epoch.validation.keys() == epoch.prior.keys()

    return TrainingCallbacks(lambda _, __: None, lambda _, __: None, stepped, finished)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred marks: a disc is 01, a square is 03, red ink is 29."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "01", "03", "29"])
        for number in range(300):
            disc, square, red = (rng.random(3) < 0.5).tolist()
            image = Image.new("RGB", (64, 64), "white")
            pen, ink = ImageDraw.Draw(image), "#cc1020" if red else "#202020"
            pen.line((4, 60, int(rng.integers(20, 60)), 60), ink, 2)
            x = int(rng.integers(4, 10))
            if disc:
                pen.ellipse((x, 10, x + 20, 30), ink)
            if square:
                pen.rectangle((x + 28, 30, x + 46, 48), ink)
            name = f"{number}.png"
            image.save(folder / "images" / name)
            writer.writerow([name, int(disc), int(square), int(red)])
    return folder


@pytest.fixture
def run_request(shapes: Path, tiny_checkpoint: Path, tmp_path: Path) -> TrainingRequest:
    return TrainingRequest(
        shapes / "labels.csv",
        shapes / "images",
        tmp_path / "run",
        tiny_checkpoint,
        epochs=3,
        batch=24,
        heads_rate=1e-2,
        features_rate=1e-3,
    )


def test_a_run_learns_and_leaves_a_network_that_serves(run_request: TrainingRequest) -> None:
    metrics = train(replace(run_request, epochs=6), quiet())
    assert metrics["test"]["mAP"] > metrics["constant prior"]["mAP"] + 0.1
    assert sum(metrics["pictures"].values()) == 300
    encoder = Encoder.load(run_request.out / "checkpoint", device="cpu", runtime="torch")
    assert [str(code) for code in encoder.labels] == ["01", "03", "29"]  # the file's, no others
    assert len(read_history(run_request.out)) <= 6
    page = write_report(run_request.out).read_text()
    assert "constant prior" in page
    assert page.count("data:image/png;base64,") == 4
    assert all(
        (run_request.out / name).exists() for name in ("loss.png", "labels.png", "left_out.txt")
    )
    table = (run_request.out / "labels.csv").read_text().splitlines()
    assert table[0] == "code,title,support,AP,precision,recall,F1,threshold"
    assert [line[:2] for line in table[1:]] == ["01", "03", "29"]


@pytest.mark.parametrize("depth", ["heads", "conv5", "all"])
def test_only_what_the_depth_names_learns(run_request: TrainingRequest, depth: str) -> None:
    train(replace(run_request, epochs=1, depth=depth), quiet())  # type: ignore[arg-type]
    before = Checkpoint.open(run_request.start).load_network().state_dict()
    after = Checkpoint.open(run_request.out / "checkpoint").load_network().state_dict()
    moved = {
        part: any(
            not torch.equal(after[name], before[name])
            for name in before
            if name.startswith("backbone.features.") and low <= int(name.split(".")[2]) < high
        )
        for part, low, high in (("conv1-4", 0, 27), ("conv5", 28, 36))
    }
    assert moved == {"conv1-4": depth == "all", "conv5": depth != "heads"}
    assert not torch.equal(after["heads.trunk.weight"], before["heads.trunk.weight"])


def test_a_run_that_is_killed_goes_on_to_the_same_end(
    run_request: TrainingRequest, tmp_path: Path
) -> None:
    whole = train(run_request, quiet())
    broken = replace(run_request, out=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(broken, quiet(stop_after=13))
    assert len(read_history(broken.out)) == 1
    resumed = train(broken, quiet())
    assert resumed["test"] == pytest.approx(whole["test"], abs=1e-5)
    assert [line["step"] for line in read_history(broken.out)] == [
        line["step"] for line in read_history(run_request.out)
    ]


def test_a_run_stops_when_validation_no_longer_rises(run_request: TrainingRequest) -> None:
    train(replace(run_request, epochs=30, patience=1, heads_rate=0.0, features_rate=0.0), quiet())
    assert len(read_history(run_request.out)) == 2  # nothing moves, so the second is no better


def test_another_run_in_the_folder_is_refused(run_request: TrainingRequest) -> None:
    train(replace(run_request, epochs=1), quiet())
    with pytest.raises(BadLabels, match=r"\(epochs, seed\)"):
        train(replace(run_request, epochs=2, seed=5), quiet())


def test_a_run_is_not_resumed_with_other_pictures_than_it_began_with(
    run_request: TrainingRequest, shapes: Path, tmp_path: Path
) -> None:
    """A file and its row renamed, a file replaced: the cached layers would be of other rows."""
    folder = tmp_path / "shapes"
    shutil.copytree(shapes, folder)
    labels, images = folder / "labels.csv", folder / "images"
    request = replace(run_request, labels=labels, images=images)
    with pytest.raises(KeyboardInterrupt):
        train(request, quiet(stop_after=2))
    before = labels.read_text()
    (images / "3.png").rename(images / "fixed3.png")
    labels.write_text(before.replace("\n3.png", "\nfixed3.png"))
    with pytest.raises(BadLabels, match="names and contents of the pictures"):
        train(request, quiet())
    labels.write_text(before)
    shutil.copy(images / "4.png", images / "3.png")
    with pytest.raises(BadLabels, match="names and contents of the pictures"):
        train(request, quiet())
    note = request.out / "run.json"
    kept = json.loads(note.read_text())
    del kept["names and contents of the pictures"]
    note.write_text(json.dumps(kept))
    with pytest.raises(BadLabels, match="which an older version did not note"):
        train(request, quiet())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_that_cannot_be_read_is_left_out_and_named(shapes: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(shapes / "images", images)
    (images / "5.png").unlink()
    (images / "5.png").symlink_to("/proc/self/mem")  # a file that even root cannot read from 0 on
    found = LabelledPictures.gather(read_labels(shapes / "labels.csv"), images, 64)
    assert found.missing == ("5.png",)
    assert len(found.jobs) == len(found.split) == 299


def test_what_resuming_reads_is_replaced_and_never_rewritten_in_place(
    run_request: TrainingRequest,
) -> None:
    """So no kill, at whatever moment, leaves half of it; what an older file held stays in it."""
    names = ("run.json", "history.jsonl", "left_out.txt")
    with pytest.raises(KeyboardInterrupt):
        train(run_request, quiet(stop_after=13))
    for name in names:
        (run_request.out / f"old {name}").hardlink_to(run_request.out / name)
    before = {name: (run_request.out / name).read_bytes() for name in names}
    train(run_request, quiet())
    assert len(read_history(run_request.out)) == 3
    assert {name: (run_request.out / f"old {name}").read_bytes() for name in names} == before


def test_a_history_that_an_older_version_left_torn_is_named(
    run_request: TrainingRequest,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(run_request, quiet(stop_after=13))
    history = run_request.out / "history.jsonl"
    history.write_bytes(history.read_bytes()[:40])
    with pytest.raises(BadCheckpoint, match=r"history\.jsonl: damaged"):
        train(run_request, quiet())


def test_a_damaged_state_is_named(run_request: TrainingRequest) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(run_request, quiet(stop_after=13))
    (run_request.out / "state.pt").write_bytes(b"damaged")
    with pytest.raises(BadCheckpoint, match=r"state\.pt: cannot go on"):
        train(run_request, quiet())


def test_missing_and_unreadable_pictures_are_left_out_and_named(
    run_request: TrainingRequest, shapes: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(shapes / "images", images)
    (images / "0.png").unlink()
    (images / "1.png").write_bytes(b"no picture at all")
    for depth in ("conv5", "all"):
        out = tmp_path / depth
        metrics = train(
            replace(run_request, images=images, out=out, epochs=1, depth=depth),  # type: ignore[arg-type]
            quiet(),
        )
        assert sum(metrics["pictures"].values()) == 298
        lines = (out / "left_out.txt").read_text().splitlines()
        assert [line.split(":")[0] for line in lines] == ["0.png", "1.png"]


def test_labels_without_pictures_are_refused(run_request: TrainingRequest, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadLabels, match="0 of 300 labelled pictures are there"):
        train(replace(run_request, images=tmp_path / "empty"), quiet())
    with pytest.raises(BadLabels, match="not a folder"):
        train(replace(run_request, images=tmp_path / "none"), quiet())


def test_what_the_start_knows_of_a_code_is_kept(
    run_request: TrainingRequest, tiny_checkpoint: Path
) -> None:
    train(replace(run_request, epochs=1, depth="heads", heads_rate=0.0), quiet())
    start = Checkpoint.open(tiny_checkpoint)
    end = Checkpoint.open(run_request.out / "checkpoint")
    added = end.blocks[-1]  # fitted for the labels that were learnt
    things = sum(code.category <= 24 for code in end.labels)
    assert (added.name, added.stop - added.start) == ("codes", min(64, things))
    old, new = (one.load_network().heads.vienna.weight for one in (start, end))
    for code in ("01", "03", "29"):
        at, to = ([str(c) for c in one.labels].index(code) for one in (start, end))
        assert torch.equal(old[at], new[to])


def test_cached_maps_are_what_the_network_sees_and_a_cache_goes_on(
    encoder: Encoder, tmp_path: Path, draw_mark: Callable[[int, int], Image.Image]
) -> None:
    network = encoder.checkpoint.load_network()
    jobs = [
        PictureJob(f"{n}", lambda n=n: draw_mark(n, 96), 64 if n % 3 else 96) for n in range(12)
    ]  # type: ignore[misc]
    lower = TorchLowerLayers(network)
    cache_lower_maps(jobs[:5], lower, tmp_path)
    seen: list[tuple[int, int]] = []
    left_out = cache_lower_maps(jobs, lower, tmp_path, lambda done, all_: seen.append((done, all_)))
    assert not left_out
    assert seen[-1] == (12, 12)
    maps = LowerMaps(tmp_path)
    assert sorted(maps.keys) == sorted(job.key for job in jobs)
    rows = np.arange(len(maps))
    for side, places in maps.groups(rows).items():
        lower_seen: Lower = maps.lower(rows[places])
        for at, row in enumerate(places):
            job = jobs[int(maps.keys[row])]
            assert side == job.size // 16
            preprocess = replace(encoder.checkpoint.preprocess, size=job.size)
            pixels = torch.from_numpy(preprocess(job.draw())[None].copy())
            with torch.inference_mode():
                direct = network.forward_lower(pixels)
            step = float(direct.maps.max()) / 100
            assert torch.allclose(lower_seen.maps[at], direct.maps[0], atol=step)
            assert torch.allclose(lower_seen.pooled[at], direct.pooled[0], atol=1e-2)


def test_a_cache_keeps_the_parts_of_pictures_once(encoder: Encoder, tmp_path: Path) -> None:
    def discs() -> Image.Image:
        image = Image.new("RGB", (192, 192), "white")
        ImageDraw.Draw(image).ellipse((10, 60, 80, 130), fill="black")
        ImageDraw.Draw(image).ellipse((110, 60, 180, 130), fill="black")
        return image

    parts = Parts(size=64)
    jobs = [
        PictureJob("composed:train#1", discs, 192, parts),
        PictureJob("composed:train#2", discs, 96, parts),
    ]
    lower = TorchLowerLayers(encoder.checkpoint.load_network())
    cache_lower_maps(jobs[:1], lower, tmp_path)
    first = LowerMaps(tmp_path).keys
    assert sorted(first) == sorted(
        ["composed:train#1", part_key("composed:train#1", 0), part_key("composed:train#1", 1)]
    )
    for file in tmp_path.glob("shard-0-00001.*"):  # as if it had died before it kept the picture
        file.unlink()
    cache_lower_maps(jobs, lower, tmp_path)
    maps = LowerMaps(tmp_path)
    assert len(maps) == len(set(maps.keys)) == 6
    sides = maps.groups(np.arange(6))
    assert {side: len(rows) for side, rows in sides.items()} == {4: 4, 12: 1, 6: 1}
    assert {whole_key(maps.keys[row]) for row in sides[4]} == {job.key for job in jobs}


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
