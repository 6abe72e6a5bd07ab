"""A table read into a register: what becomes of each row, and what a run reports."""

import io
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from indexer.errors import SourceError
from indexer.ingest import (
    IngestOptions,
    IngestProgress,
    encode_marks,
    ingest,
    is_indexed,
    mark_digest,
)
from indexer.ingest.workers import LocalWorkers
from indexer.marks import MarkRecord
from models.encoder import Encoded, Prepared
from models.errors import MarkLensError

Office = Any  # the fixture `office`


def test_every_row_becomes_a_mark_with_its_picture_and_codes(office: Office) -> None:
    office.marks(5)
    assert office.counts(office.ingest()) == (5, 5, 0, 0, 0)
    mark = office.register.mark("m3")
    content = (office.folder / "3.png").read_bytes()
    assert mark.image_digest is not None
    assert office.images.get(mark.image_digest) == content
    assert (mark.width, mark.height, mark.media_type) == (96, 96, "image/png")
    (row,) = encode_marks(office.encoder, [(mark.record, content)])
    # Alone or in a batch, the network's last digits differ.
    assert [seen.code for seen in mark.predicted] == [seen.code for seen in row.predicted]
    held = np.frombuffer(office.contents()["m3"][2], np.float16)
    assert row.embedding is not None
    np.testing.assert_allclose(held, row.embedding.vectors.ravel(), atol=2e-3)


def test_running_again_changes_nothing_and_asks_the_network_nothing(office: Office) -> None:
    office.marks(20)
    office.ingest()
    before, sequence = office.contents(), office.register.sequence()
    office.encoder.pictures = 0
    report = office.ingest()
    assert office.counts(report) == (20, 0, 0, 20, 0)
    assert (office.contents(), office.register.sequence()) == (before, sequence)
    assert office.encoder.pictures == 0


def test_changed_words_and_changed_pictures_are_updated(office: Office) -> None:
    office.marks(4)
    office.ingest()
    rows = [f"m{n},{n}.png,{'new' if n == 1 else f'word {n}'},03.01" for n in range(4)]
    office.table([*rows, "m4,4.png,,"])
    office.picture("2.png", 99)
    office.picture("4.png", 4)
    before = office.contents()
    assert office.counts(office.ingest()) == (5, 1, 2, 2, 0)
    after = office.contents()
    assert after["m1"][0] == "new"
    assert after["m1"][1:] == before["m1"][1:]
    assert after["m2"][1] != before["m2"][1]
    assert after["m0"] == before["m0"]


def test_identical_pictures_are_encoded_once_in_a_run_and_over_runs(office: Office) -> None:
    office.picture("same.png", 1)
    office.table([f"m{n},same.png,," for n in range(40)])
    office.ingest()
    office.table([f"m{n},same.png,word," for n in range(50)])
    assert office.counts(office.ingest()) == (50, 10, 40, 0, 0)
    assert office.encoder.pictures == 1
    assert len({embedding for _, _, embedding in office.contents().values()}) == 1


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_same_pixels_in_other_files_and_formats_are_encoded_once(
    office: Office, batch: int
) -> None:
    for suffix in ("png", "bmp", "tiff", "webp"):
        options = {"lossless": True} if suffix == "webp" else {}
        office.draw(1).save(office.folder / f"one.{suffix}", **options)
    office.picture("two.png", 2)
    names = ["one.png", "one.bmp", "two.png", "one.tiff", "one.png"]
    office.table([f"m{n},{name},," for n, name in enumerate(names)])
    report = office.ingest(IngestOptions(batch=batch))
    assert (report.indexed, report.encoded, office.encoder.pictures) == (5, 2, 2)
    # And in a later run.
    office.table(["m9,one.webp,,"])
    assert (office.ingest().encoded, office.register.count()) == (0, 6)
    marks = office.register.marks([f"m{n}" for n in (0, 1, 3, 4, 9)])
    assert len({mark.image_digest for mark in marks.values()}) == 4
    embeddings = {one: held[2] for one, held in office.contents().items()}
    assert len({embeddings[one] for one in marks}) == 1
    assert embeddings["m2"] != embeddings["m0"]


def test_of_a_picture_of_several_pages_the_first_is_indexed_with_a_warning(office: Office) -> None:
    first, second = office.draw(1), office.draw(2)
    first.save(office.folder / "paged.tif", save_all=True, append_images=[second])
    first.save(office.folder / "one.tif")
    office.table(["m1,paged.tif,,", "m2,one.tif,,"])
    report = office.ingest()
    assert (report.indexed, office.encoder.pictures) == (2, 1)
    assert [one for one in report.warnings if "several pages" in one and "m1 (2 pages)" in one]


def test_after_a_batch_that_fails_none_is_committed(office: Office) -> None:
    office.marks(40)
    encode, turns = office.encoder.encode_prepared, iter(range(100))

    def failing(pictures: Sequence[Prepared]) -> Encoded:
        if next(turns) == 2:
            raise MarkLensError("the network broke")
        return encode(pictures)

    office.encoder.encode_prepared = failing  # type: ignore[method-assign]
    with pytest.raises(MarkLensError, match="the network broke"):
        office.ingest(IngestOptions(batch=4))
    (run,) = office.register.last_runs()
    assert (run.state, run.counts.read, office.register.count()) == ("failed", 8, 8)
    assert office.counts(office.ingest(IngestOptions(resume=True))) == (40, 40, 0, 0, 0)


def test_a_run_says_how_long_the_network_computed(office: Office) -> None:
    office.marks(5)
    report = office.ingest()
    assert report.encoded == 5
    assert 0 < report.encoding_s < report.seconds
    assert office.ingest().encoded == 0


def test_bad_rows_and_pictures_are_reported_and_do_not_stop_the_run(office: Office) -> None:
    office.marks(3)
    (office.folder / "text.png").write_text("not a picture")
    truncated = (office.folder / "0.png").read_bytes()[:60]
    (office.folder / "cut.png").write_bytes(truncated)
    office.table(
        [
            *("m0,0.png,,", "bad1,text.png,,", "bad2,gone.png,,", "bad3,cut.png,,"),
            *("bad4,../x.png,,", "m1,1.png,,", "bad 5,1.png,,", "m2,2.png,,77.01"),
        ]
    )
    report = office.ingest(strict=True)
    assert office.counts(report) == (8, 2, 0, 0, 6)
    rejects = office.rejects(report)
    assert report.rejects_file.parent == office.images.folder.parent / "rejects"
    assert [row["position"] for row in rejects] == ["3", "4", "5", "6", "8", "9"]
    assert [row["id"] for row in rejects] == ["bad1", "bad2", "bad3", "bad4", "bad 5", "m2"]
    assert [row["image"] for row in rejects][:2] == ["text.png", "gone.png"]
    assert all(row["reason"] for row in rejects)
    assert sorted(office.contents()) == ["m0", "m1"]


def test_a_picture_that_cannot_be_had_costs_no_mark_of_which_more_is_known(office: Office) -> None:
    office.marks(4)
    office.ingest()
    before = office.register.marks(["m1", "m2"])
    (office.folder / "text.png").write_text("not a picture")
    rows = ["m0,0.png,word 0,03.01", "m1,text.png,other,", "m2,gone.png,word 2,03.01"]
    office.table([*rows, "m7,gone.png,new,77.01", "m8,../0.png,new,", "m9,gone.png,,"])
    for counts in ((6, 2, 1, 2, 1), (6, 0, 0, 5, 1)):
        report = office.ingest()
        assert office.counts(report) == counts
        assert [row["id"] for row in office.rejects(report)] == ["m9"]
        after = office.register.marks(["m1", "m2", "m7", "m8"])
        assert after["m1"].record.text == "other"
        for one in ("m1", "m2"):  # the picture that the register holds stays, and its name
            assert after[one].image_digest == before[one].image_digest
            assert after[one].record.image_name == before[one].record.image_name
        assert after["m7"].image_digest is None
        assert after["m7"].record.vienna == ()
        values, unreadable, missing = report.warnings
        assert "Vienna code '77.01' (1 times, first in m7)" in values
        assert unreadable.startswith(
            "2 marks have a picture that cannot be read, first m1 (text.png"
        )
        assert missing.startswith("2 marks name a picture that is not there, first m2")


def test_without_rejects_there_is_no_rejects_file(office: Office) -> None:
    office.marks(2)
    assert office.ingest().rejects_file is None
    assert not (office.images.folder.parent / "rejects").exists()


def test_the_first_of_two_rows_with_one_id_counts_again_and_again(office: Office) -> None:
    office.marks(2)
    office.table(["m0,0.png,first,", "m1,1.png,,", "m0,1.png,second,"])
    assert office.counts(office.ingest()) == (3, 2, 0, 0, 1)
    assert office.counts(office.ingest()) == (3, 0, 0, 2, 1)
    assert office.contents()["m0"][0] == "first"


def test_a_dry_run_counts_and_writes_nothing(office: Office) -> None:
    office.marks(3)
    office.table(["m0,0.png,,", "m1,1.png,,", "x,gone.png,,"])
    report = office.ingest(IngestOptions(dry_run=True))
    assert office.counts(report) == (3, 2, 0, 0, 1)
    assert report.rejects_file is not None
    assert (office.register.count(), office.register.last_runs()) == (0, [])
    assert not office.images.folder.exists()
    assert office.encoder.pictures == 0


def test_progress_rises_to_the_end_of_the_table(office: Office) -> None:
    office.marks(50)
    seen: list[IngestProgress] = []
    office.ingest(on_progress=seen.append)
    assert [one.position for one in seen] == sorted(one.position for one in seen)
    assert len(seen) >= 3
    assert seen[-1].position == seen[-1].last_position == 51
    assert seen[-1].counts.indexed == 50


def test_a_disk_that_refuses_pictures_stops_the_run(office: Office) -> None:
    office.marks(3)
    office.images.folder.parent.mkdir(parents=True)
    office.images.folder.write_text("a file where the folder should be")
    with pytest.raises(MarkLensError, match="cannot write to"):
        office.ingest()
    assert office.register.last_runs()[0].state == "failed"
    assert office.register.count() == 0


def test_a_finished_source_is_recognised_until_it_changes(office: Office) -> None:
    office.marks(6)
    assert not is_indexed(office.open(), office.register)
    office.ingest(IngestOptions(batch=2, stop=lambda: True))
    assert not is_indexed(office.open(), office.register)
    office.ingest()
    assert is_indexed(office.open(), office.register)
    office.table(["m0,0.png,other,"])
    assert not is_indexed(office.open(), office.register)


def test_a_large_picture_keeps_its_size_in_the_register(office: Office) -> None:
    office.draw(1).resize((3000, 1500)).save(office.folder / "large.png")
    office.table(["m,large.png,,"])
    office.ingest()
    mark = office.register.mark("m")
    assert (mark.width, mark.height) == (3000, 1500)


def test_the_digest_changes_with_anything_the_register_holds() -> None:
    base = {"id": "1", "text": "a", "image_name": "1.png"}
    digests = {
        mark_digest(MarkRecord(**{**base, **change}), picture, network)
        for change in ({}, {"text": None}, {"owner": "a"}, {"nice": (1,)}, {"image_name": "2.png"})
        for picture in ("p", None)
        for network in ("n", "m")
    }
    assert len(digests) == 20


def test_a_folder_of_pictures_is_read_the_same_way(office: Office) -> None:
    for seed in range(3):
        office.picture(f"sub/{seed}.png", seed)
    report = office.ingest_file(office.folder)
    assert office.counts(report) == (3, 3, 0, 0, 0)
    assert office.register.mark("2").record.image_name == "sub/2.png"


def test_a_new_id_that_looks_like_another_is_warned_of(office: Office) -> None:
    office.picture("E\u0301toile.png", 1)
    first, again = office.ingest_file(office.folder), office.ingest_file(office.folder)
    assert office.counts(first) == (1, 1, 0, 0, 0)
    (warning,) = first.warnings
    assert warning.startswith("1 new marks have an id whose accents stand apart")
    assert "first E\u0301toile: " in warning
    assert not again.warnings
    composed = office.folder / "marks.csv"
    composed.write_text("id,image\n\u00c9toile,E\u0301toile.png\n")
    assert not office.ingest_file(composed).warnings
    assert office.register.count() == 2


def test_a_source_that_vanishes_is_one_plain_sentence(office: Office) -> None:
    path = office.marks(2)
    source = office.open()
    path.unlink()
    with pytest.raises(SourceError, match="cannot read"):
        ingest(source, office.register, office.images, LocalWorkers(office.encoder))
    assert office.register.last_runs()[0].state == "failed"


def test_one_odd_date_costs_its_row_and_not_the_delivery(office: Office) -> None:
    days = ["1577836800000000000" if n == 50 else "2020-01-01" for n in range(100)]
    path = office.folder / "marks.csv"
    path.write_text("id,text,filed\n" + "".join(f"m{n},word,{day}\n" for n, day in enumerate(days)))
    report = office.ingest(strict=True)
    assert office.counts(report) == (100, 99, 0, 0, 1)
    (reject,) = office.rejects(report)
    assert reject["reason"].startswith("filed '1577836800000000000' is not a date")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are UTF-8")
def test_a_source_in_a_folder_whose_name_is_not_utf8_is_one_plain_sentence(office: Office) -> None:
    folder = office.folder / "\udcdcbersicht"
    folder.mkdir()
    (folder / "marks.csv").write_text("id,text\na,word\n")
    with pytest.raises(SourceError, match=r"\?bersicht/marks.csv: a name .* is not UTF-8"):
        office.ingest_file(folder / "marks.csv")


def test_a_png_and_a_jpeg_of_one_drawing_are_two_pictures(office: Office) -> None:
    out = io.BytesIO()
    office.draw(3).save(out, "JPEG")
    (office.folder / "3.jpg").write_bytes(out.getvalue())
    office.picture("3.png", 3)
    office.table(["png,3.png,,", "jpg,3.jpg,,"])
    office.ingest()
    media = {id: mark.media_type for id, mark in office.register.marks(["png", "jpg"]).items()}
    assert media == {"png": "image/png", "jpg": "image/jpeg"}
