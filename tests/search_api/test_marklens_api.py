"""The Python API: what is loaded when, what a write shows, what another network means."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from indexer.errors import BadQuery, FingerprintMismatch, UnknownMark
from indexer.ingest import IngestOptions
from indexer.marks import MarkRecord
from indexer.query import Filter
from indexer.register import Register
from models.errors import BadCheckpoint, BadViennaCode, MarkLensError, UnreadableImage
from models.network.checkpoint import Checkpoint
from models.network.marknet import MarkNet
from models.vienna import ViennaCode
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import BadSettings, Settings

Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]
Open = Callable[..., MarkLens]


@pytest.fixture(scope="module")
def other_checkpoint(
    tiny_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
    save_changed: Callable[[Path, MarkNet, Checkpoint], None],
) -> Path:
    """The tiny network after some more training, as it were: one tensor differs."""
    folder = tmp_path_factory.mktemp("other-network")
    checkpoint = Checkpoint.open(tiny_checkpoint)
    network = checkpoint.load_network()
    with torch.no_grad():
        next(network.parameters()).mul_(-1.5)
    save_changed(folder, network, checkpoint)
    return folder


@pytest.fixture
def open_marklens(tiny_settings: Callable[..., Settings], tmp_path: Path) -> Open:
    """Opens the one register of this test, with other settings where they are given."""

    def opened(**settings: object) -> MarkLens:
        return MarkLens.open(tiny_settings(tmp_path / "data", **settings))

    return opened


@pytest.fixture
def filled(open_marklens: Open, draw_mark: Draw, as_png: AsPng) -> Path:
    """A register of five marks, A-0 to A-4, closed again; the folder of its pictures."""
    with open_marklens() as marklens:
        for number in range(5):
            record = MarkRecord(f"A-{number}", vienna=(ViennaCode.parse("03.01.99"),))
            marklens.add(record, as_png(draw_mark(number)))
        return marklens.settings.images_dir


def found(marklens: MarkLens, picture: Image.Image, **options: object) -> list[str]:
    return [hit.id for hit in marklens.search(SearchRequest(picture, **options)).hits]


def test_counting_and_deleting_never_load_the_network(
    open_marklens: Open, filled: Path, tmp_path: Path
) -> None:
    with open_marklens(checkpoint=tmp_path / "nothing") as marklens:
        assert marklens.status().marks == 5
        marklens.delete("A-0")
        assert marklens.status().marks == 4
        assert not marklens.ready


def test_a_missing_network_is_named_when_it_is_needed(
    open_marklens: Open, filled: Path, tmp_path: Path, draw_mark: Draw
) -> None:
    with open_marklens(checkpoint=tmp_path / "nothing") as marklens:
        with pytest.raises(BadCheckpoint, match="nothing"):
            marklens.search(SearchRequest(draw_mark(0)))
        with pytest.raises(BadCheckpoint, match="nothing"):
            marklens.classify(draw_mark(0))


def test_a_picture_its_bytes_and_its_file_are_one_query(
    open_marklens: Open, filled: Path, tmp_path: Path, draw_mark: Draw, as_png: AsPng
) -> None:
    file = tmp_path / "query.png"
    file.write_bytes(as_png(draw_mark(2)))
    with open_marklens() as marklens:
        answers = [
            marklens.search(SearchRequest(picture, k=3))
            for picture in (draw_mark(2), file.read_bytes(), file)
        ]
    scores = [[(hit.id, hit.score) for hit in answer.hits] for answer in answers]
    assert scores[0][0][0] == "A-2"
    assert scores[0] == scores[1] == scores[2]
    assert set(answers[0].plan.milliseconds) == {
        "decode",
        "wait",
        "encode",
        "filter",
        "search",
        "rerank",
    }


def test_a_query_file_that_is_not_there_is_named(open_marklens: Open, tmp_path: Path) -> None:
    with open_marklens() as marklens, pytest.raises(UnreadableImage, match=r"gone\.png"):
        marklens.search(SearchRequest(tmp_path / "gone.png"))


def test_a_mark_as_query_ranks_like_its_picture_and_leaves_itself_out(
    open_marklens: Open, filled: Path, draw_mark: Draw
) -> None:
    with open_marklens() as marklens:
        by_picture = found(marklens, draw_mark(3))
        like = marklens.search(SearchRequest(mark_id="A-3"))
        assert [hit.id for hit in like.hits] == by_picture[1:]
        assert like.vienna == marklens.classify(draw_mark(3))
        assert like.perhaps == marklens.codes(draw_mark(3)).perhaps
        with pytest.raises(UnknownMark, match="A-9"):
            marklens.search(SearchRequest(mark_id="A-9"))


def test_less_certain_codes_are_apart_from_those_that_are_seen(
    open_marklens: Open, draw_mark: Draw
) -> None:
    some = 0
    with open_marklens() as marklens:
        for number in range(12):
            seen = marklens.codes(draw_mark(number))
            assert seen.vienna == marklens.classify(draw_mark(number))
            assert all(one.probability >= 0.5 for one in seen.vienna)  # the tiny network's
            assert all(0.3 <= one.probability < 0.5 for one in seen.perhaps)
            some += bool(seen.perhaps)
    assert some


def test_a_crop_of_a_mark_is_compared_instead_of_the_whole(
    open_marklens: Open, filled: Path, draw_mark: Draw
) -> None:
    box = (8, 8, 60, 60)
    with open_marklens() as marklens:
        like = marklens.search(SearchRequest(mark_id="A-3", crop=box))
        picture = marklens.search(SearchRequest(draw_mark(3), crop=box))
        whole = marklens.search(SearchRequest(mark_id="A-3"))
    scores = {hit.id: hit.score for hit in picture.hits}
    assert {hit.id: hit.score for hit in like.hits} == {
        mark: score for mark, score in scores.items() if mark != "A-3"
    }
    assert [hit.score for hit in like.hits] != [hit.score for hit in whole.hits]


def test_an_updated_mark_is_found_by_its_new_picture(
    open_marklens: Open, filled: Path, draw_mark: Draw, as_png: AsPng
) -> None:
    with open_marklens() as marklens:
        assert found(marklens, draw_mark(40), k=1) != ["A-1"]
        added = marklens.add(MarkRecord("A-1", text="NEW"), as_png(draw_mark(40)))
        assert not added.created
        assert added.mark.record.text == "NEW"
        assert found(marklens, draw_mark(40), k=1) == ["A-1"]
        assert marklens.status().marks == 5


def test_an_unreadable_picture_is_not_registered(open_marklens: Open) -> None:
    with open_marklens() as marklens:
        with pytest.raises(UnreadableImage):
            marklens.add(MarkRecord("A-1"), b"Dear office")
        assert marklens.status().marks == 0
        with pytest.raises(UnknownMark):
            marklens.image("A-1")


def test_another_process_sees_writes_and_withdrawals(
    open_marklens: Open, filled: Path, draw_mark: Draw, as_png: AsPng
) -> None:
    with open_marklens(poll_s=0.02) as server, open_marklens() as writer:
        server.start_following()
        writer.delete("A-2")
        writer.add(MarkRecord("A-7"), as_png(draw_mark(7)))
        deadline = time.monotonic() + 60
        while set(found(server, draw_mark(7))) != {"A-0", "A-1", "A-3", "A-4", "A-7"}:
            assert time.monotonic() < deadline, found(server, draw_mark(7))
            time.sleep(0.02)


def test_codes_nobody_knows_are_refused_and_those_marks_carry_are_not(
    open_marklens: Open, filled: Path, draw_mark: Draw
) -> None:
    unlisted, unknown = ViennaCode.parse("03.01.99"), ViennaCode.parse("03.98")
    with open_marklens() as marklens:
        held = Filter(vienna_any=(unlisted,))
        assert len(found(marklens, draw_mark(0), filter=held)) == 5
        for wanted in (Filter(vienna_all=(unknown,)), Filter(vienna_none=(unknown,))):
            with pytest.raises(BadViennaCode, match=r"03\.98"):
                marklens.search(SearchRequest(draw_mark(0), filter=wanted))


def test_queries_out_of_range_are_refused(
    open_marklens: Open, filled: Path, draw_mark: Draw
) -> None:
    with open_marklens() as marklens:
        with pytest.raises(BadQuery, match="-1"):
            marklens.search(SearchRequest(draw_mark(0), k=-1))
        with pytest.raises(BadQuery, match="smell"):
            marklens.search(SearchRequest(draw_mark(0), weights={"smell": 1.0}))


def test_another_network_is_refused_until_everything_is_encoded_again(
    open_marklens: Open, filled: Path, other_checkpoint: Path, draw_mark: Draw, as_png: AsPng
) -> None:
    with open_marklens(checkpoint=other_checkpoint) as marklens:
        for use in (
            lambda: marklens.search(SearchRequest(draw_mark(0))),
            lambda: marklens.add(MarkRecord("A-8"), as_png(draw_mark(8))),
        ):
            with pytest.raises(FingerprintMismatch, match="marklens rebuild --encode"):
                use()
        report = marklens.rebuild(encode=True)
        assert marklens.register.audit.newest(1)[0].action == "encode all marks again"
        assert (report.marks, report.encoded, report.skipped) == (5, 5, ())
        hit = marklens.search(SearchRequest(draw_mark(4), k=1)).hits[0]
        assert hit.id == "A-4"
        assert hit.score == pytest.approx(1.0)
    with open_marklens() as before, pytest.raises(FingerprintMismatch):
        before.search(SearchRequest(draw_mark(0)))


def test_an_interrupted_change_of_network_mixes_nothing_and_goes_on(
    open_marklens: Open,
    filled: Path,
    other_checkpoint: Path,
    draw_mark: Draw,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("indexer.ingest.reencode._BATCH", 2)

    def stop(done: int, total: int) -> None:
        assert (done, total) == (2, 5)
        raise KeyboardInterrupt

    with open_marklens(checkpoint=other_checkpoint) as marklens:
        with pytest.raises(KeyboardInterrupt):
            marklens.rebuild(encode=True, on_progress=stop)
        with pytest.raises(FingerprintMismatch):
            marklens.search(SearchRequest(draw_mark(0)))
    with open_marklens() as before, pytest.raises(FingerprintMismatch):
        before.search(SearchRequest(draw_mark(0)))
    with open_marklens(checkpoint=other_checkpoint) as marklens:
        assert marklens.rebuild(encode=True).encoded == 3
        assert sorted(found(marklens, draw_mark(0))) == [f"A-{number}" for number in range(5)]


def test_a_lost_picture_does_not_stop_a_change_of_network(
    open_marklens: Open, filled: Path, other_checkpoint: Path, draw_mark: Draw
) -> None:
    with open_marklens(checkpoint=other_checkpoint) as marklens:
        digest = marklens.mark("A-2").image_digest or ""
        (filled / digest[:2] / digest).unlink()
        report = marklens.rebuild(encode=True)
        assert (report.marks, report.encoded) == (5, 4)
        assert [mark for mark, _ in report.skipped] == ["A-2"]
        assert sorted(found(marklens, draw_mark(2))) == ["A-0", "A-1", "A-3", "A-4"]
        assert marklens.mark("A-2").record.id == "A-2"


def test_the_index_comes_back_from_the_register_alone(
    open_marklens: Open, filled: Path, draw_mark: Draw
) -> None:
    with open_marklens() as marklens:
        before = marklens.search(SearchRequest(draw_mark(1))).hits
        snapshots = marklens.settings.snapshot_dir
    shutil.rmtree(snapshots)
    with open_marklens() as marklens:
        report = marklens.rebuild()
        assert (report.marks, report.sequence, report.encoded) == (5, 5, 0)
        assert marklens.search(SearchRequest(draw_mark(1))).hits == before
        assert any(snapshots.iterdir())


def test_a_disk_that_refuses_the_index_is_named(open_marklens: Open, filled: Path) -> None:
    with open_marklens() as marklens:
        _ = marklens.follower
        snapshots = marklens.settings.snapshot_dir
        if snapshots.exists():
            shutil.rmtree(snapshots)
        snapshots.write_text("in the way")
        with pytest.raises(MarkLensError, match="snapshots"):
            marklens.rebuild()
        snapshots.unlink()


def test_a_folder_is_read_and_a_dry_run_leaves_no_trace(
    open_marklens: Open, tmp_path: Path, draw_mark: Draw
) -> None:
    folder = tmp_path / "logos"
    folder.mkdir()
    draw_mark(1).save(folder / "one.png")
    with open_marklens() as marklens:
        report = marklens.ingest(folder, options=IngestOptions(dry_run=True))
        assert (report.read, report.indexed) == (1, 1)
        assert (marklens.status().marks, marklens.status().fingerprint) == (0, None)
        assert found(marklens, draw_mark(1)) == []
        marklens.ingest(folder)
        assert found(marklens, draw_mark(1)) == ["one"]


def test_settings_come_from_the_environment_and_are_checked_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MARKLENS_DATA_DIR", str(tmp_path))
    read = Settings.read(port=9000, host=None)
    assert (read.data_dir, read.port, read.host) == (tmp_path, 9000, "127.0.0.1")
    assert read.register_url == f"sqlite:///{tmp_path}/register.db"
    monkeypatch.setenv("MARKLENS_DEVICE", "abacus")
    with pytest.raises(BadSettings, match="MARKLENS_DEVICE"):
        Settings.read()


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = Settings.read()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"MARKLENS_{name.upper()}", "")
    assert Settings.read() == unset


def test_a_variable_that_is_no_setting_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text("utf-8")
    for name in re.findall(r"\$\{(MARKLENS_\w+)", compose):
        monkeypatch.setenv(name, "1")
    Settings.read()
    assert caplog.messages == []
    monkeypatch.setenv("MARKLENS_DATABSE_URL", "postgresql://host/secret")
    monkeypatch.setenv("MARKLENS_ZZZ", "1")
    Settings.read()
    assert caplog.messages == [
        "MARKLENS_DATABSE_URL is no setting and changes nothing; did you mean "
        "MARKLENS_DATABASE_URL?",
        "MARKLENS_ZZZ is no setting and changes nothing",
    ]


@pytest.mark.parametrize("name", ["x%20y", "100%", "a?b=c", "d#e", "f:g@h"])
def test_a_register_lies_in_the_folder_that_was_named_whatever_its_signs(
    tmp_path: Path, name: str
) -> None:
    Register.open(Settings(data_dir=tmp_path / name).register_url).close()
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "register.db").is_file()


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x", False)],  # noqa: S104
)
def test_only_loopback_addresses_are_local(host: str, local: bool) -> None:
    assert Settings(host=host).is_loopback is local


def test_a_mark_lives_through_its_days_in_either_database(
    register_url: str, open_marklens: Open, draw_mark: Draw, as_png: AsPng
) -> None:
    words = "100%_\\' OR 1=1 — Löwe 獅子 🦁"
    with open_marklens(database_url=register_url) as marklens:
        for number in range(3):
            record = MarkRecord(f"ü?{number}", text=f"{words} {number}", nice=(number + 1,))
            marklens.add(record, as_png(draw_mark(number)))
        assert found(marklens, draw_mark(1), k=1) == ["ü?1"]
        assert found(marklens, draw_mark(1), filter=Filter(number="Ü?2")) == ["ü?2"]
        assert found(marklens, draw_mark(1), filter=Filter(number="0_%")) == []
        (near, *_) = marklens.search(SearchRequest(filter=Filter(text="löwe 獅子 🦁 2"))).hits
        assert near.id == "ü?2"
        marklens.delete("ü?1")
        assert found(marklens, draw_mark(1), filter=Filter(nice=frozenset({2}))) == []
        with pytest.raises(UnknownMark):
            marklens.mark("nul \0 byte")
        assert marklens.rebuild().marks == 2


def test_a_mark_whose_picture_is_blank_is_kept_without_it_and_named(
    open_marklens: Open, tmp_path: Path
) -> None:
    Image.new("RGB", (40, 40), "white").save(tmp_path / "blank.png")
    (tmp_path / "marks.csv").write_text("id,image,text\nB-1,blank.png,PALE\n", "utf-8")
    with open_marklens() as marklens:
        report = marklens.ingest(tmp_path / "marks.csv")
        assert (report.indexed, report.rejected) == (1, 0)
        assert any("every pixel is white" in warning for warning in report.warnings)
        listed = marklens.search(SearchRequest(filter=Filter(text="pale"))).hits
        assert [(hit.id, hit.mark.image_digest) for hit in listed] == [("B-1", None)]
