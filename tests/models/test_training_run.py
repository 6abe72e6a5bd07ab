"""Fine-tuning on one's own pictures: it learns, resumes, stops early, and says what is wrong."""

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.encoder import Encoder
from models.errors import BadCheckpoint, BadLabels
from models.evaluation.classification_protocol import measure_classification
from models.evaluation.labels_csv import read_labels
from models.network.checkpoint import Checkpoint
from models.training.labelled_pictures import LabelledPictures
from models.training.trainer import TrainingProgress
from models.training.training_report import write_report
from models.training.training_run import (
    EpochResult,
    TrainingCallbacks,
    TrainingRequest,
    read_history,
    train,
)


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


def test_the_constant_prior_does_not_move_with_the_network(
    run_request: TrainingRequest, tmp_path: Path
) -> None:
    wanted = replace(run_request, epochs=1, depth="heads")
    some = train(wanted, quiet())
    other = train(replace(wanted, out=tmp_path / "other", heads_rate=0.0), quiet())
    assert some["test"] != other["test"]
    assert some["constant prior"] == other["constant prior"]


def test_the_loss_that_is_shown_is_what_log_loss_is(run_request: TrainingRequest) -> None:
    """The mean over labels, so that people can compare it with Keras' and with the prior's."""
    shown: list[float] = []
    tell = replace(quiet(), stepped=lambda progress, _: shown.append(progress.vienna))
    still = {"heads_rate": 0.0, "features_rate": 0.0}
    train(replace(run_request, epochs=1, loss="bce", **still), tell)  # type: ignore[arg-type]
    (epoch,) = read_history(run_request.out)
    assert epoch["loss"] == pytest.approx(np.mean(shown))
    assert epoch["loss"] == pytest.approx(epoch["validation"]["log_loss"], rel=0.3)


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
    (line,) = found.left_out
    assert line.startswith("5.png: cannot be read (")
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


def test_two_rows_of_one_picture_are_refused(
    run_request: TrainingRequest, shapes: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text((shapes / "labels.csv").read_text() + "7,1,1,1\n")
    with pytest.raises(BadLabels, match=r"'7\.png' and '7' both mean .*7\.png; keep one row"):
        train(replace(run_request, labels=labels), quiet())


def test_no_picture_is_that_of_another_folder(shapes: Path, tmp_path: Path) -> None:
    """Marks numbered anew each year: what is not there of 2020 is not learnt from 2019's."""
    shutil.copytree(shapes / "images", tmp_path / "2019")
    lines = (shapes / "labels.csv").read_text().splitlines()
    rows = [f"{year}/{line}" for year in (2019, 2020) for line in lines[1:]]
    (tmp_path / "labels.csv").write_text("\n".join([lines[0], *rows]))
    found = LabelledPictures.gather(read_labels(tmp_path / "labels.csv"), tmp_path, 64)
    assert {job.key.split("/")[0] for job in found.jobs} == {"2019"}
    assert found.left_out[0] == "2020/0.png: no such picture"
    assert len(found.left_out) == 300


def test_what_a_network_has_seen_is_not_measured(
    run_request: TrainingRequest, shapes: Path, tmp_path: Path
) -> None:
    """Not by its name, and not where it was trained on further; only those of the test are left."""
    metrics = train(replace(run_request, epochs=1), quiet())
    fingerprint = Checkpoint.open(run_request.out / "checkpoint").fingerprint
    images = tmp_path / "renamed"
    shutil.copytree(shapes / "images", images)
    (images / "new.png").write_bytes((images / "0.png").read_bytes())
    lines = (shapes / "labels.csv").read_text().splitlines()
    (tmp_path / "all.csv").write_text("\n".join([*lines, "new.png,1,1,1"]))
    (tmp_path / "further.csv").write_text("\n".join([lines[0], *lines[101:]]))
    (tmp_path / "further").mkdir()
    for number in range(100, 300):  # other pictures, so that they have sides of their own
        with Image.open(images / f"{number}.png") as image:
            image.rotate(90).save(tmp_path / "further" / f"{number}.png")
    further = replace(
        run_request,
        labels=tmp_path / "further.csv",
        images=tmp_path / "further",
        out=tmp_path / "on",
        start=run_request.out / "checkpoint",
        epochs=1,
    )
    train(further, quiet())
    for out in (run_request.out, further.out):
        encoder = Encoder.load(out / "checkpoint", device="cpu", runtime="torch")
        table = read_labels(tmp_path / "all.csv")
        found = measure_classification(encoder, table, images, lambda _, __: None)
        assert found.seen + found.pictures == 301
        assert found.pictures - metrics["pictures"]["test"] in (0, 1)  # 1: new.png is of the test
        every = measure_classification(encoder, table, images, lambda _, __: None, with_seen=True)
        assert (every.pictures, every.seen) == (301, found.seen)
    (run_request.out / "checkpoint" / "seen.txt").unlink()
    assert Checkpoint.open(run_request.out / "checkpoint").fingerprint == fingerprint


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
