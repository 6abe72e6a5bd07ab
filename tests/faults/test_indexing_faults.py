"""Whatever happens to an indexer, running it again gives the register that a clean run gives."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.register import Register

SOURCES = ("table", "office_file")
STAGES = (
    "before the run is noted",
    "after the run is noted",
    "reading a row",
    "asking what is known",
    "decoding a picture",
    "a picture half written",
    "a picture named, its folder not synced",
    "before the network",
    "after the network",
    "in the middle of a batch's rows",
    "rows written, position not",
    "all written, not committed",
    "just committed",
    "a row rejected",
    "rejects on the disk",
    "before the end is noted",
    "after the end is noted",
)
ONCE = ("before the run", "after the run", "a row rejected", "before the end", "after the end")
REJECTED = {"marks.csv": ["m7", "m27", "m3"], "marks.xml": [""]}

Index = Callable[..., list[dict[str, Any]]]
Same = Callable[[Any, Path], None]


def _turn(stage: str) -> int:
    """At which call of a stage to die: in the second batch, where there is more than one."""
    return 1 if stage.startswith(ONCE) else 2


@pytest.mark.parametrize("source", SOURCES, indirect=True)
@pytest.mark.parametrize("stage", STAGES)
def test_an_indexer_killed_in_any_stage_loses_nothing(
    index: Index,
    is_as_after_a_clean_run: Same,
    rejected_ids: Callable[[dict[str, Any]], list[str]],
    place: Any,
    source: Path,
    stage: str,
) -> None:
    """Whether it is resumed then, or started again."""
    (killed,) = index(place.job(source, stage=stage, turn=_turn(stage)))
    assert killed == {"status": -9}
    copied = place.folder.with_name("copy")
    shutil.copytree(place.folder, copied)
    copy = type(place)(copied, f"sqlite:///{copied / 'register.db'}")
    answers = index(place.job(source, resume=True)) + index(copy.job(source))
    for there, answer in zip((place, copy), answers, strict=True):
        assert answer["status"] == 0
        assert rejected_ids(answer) == REJECTED[source.name]
        is_as_after_a_clean_run(there, source)
        register = Register.open(there.url)
        assert register.last_runs(1)[0].state == "finished"
        register.close()


@pytest.mark.postgres
@pytest.mark.parametrize("stage", ["all written, not committed", "just committed"])
def test_an_indexer_killed_while_postgresql_writes_loses_nothing(
    index: Index,
    is_as_after_a_clean_run: Same,
    place: Any,
    postgres_url: str,
    office_file: Path,
    stage: str,
) -> None:
    there = type(place)(place.folder, postgres_url)
    (killed,) = index(there.job(office_file, stage=stage, turn=2))
    assert killed == {"status": -9}
    (answer,) = index(there.job(office_file, resume=True))
    assert answer["status"] == 0
    is_as_after_a_clean_run(there, office_file)


@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_an_indexer_killed_again_and_again_gets_there(
    index: Index, is_as_after_a_clean_run: Same, place: Any, source: Path
) -> None:
    for stage in ("after the network", "all written, not committed", "just committed"):
        (killed,) = index(place.job(source, stage=stage, turn=2, resume=True))
        assert killed == {"status": -9}
    (answer,) = index(place.job(source, resume=True))
    assert answer["resumed_after"] > 0
    is_as_after_a_clean_run(place, source)


@pytest.mark.parametrize("what", ["register", "images", "rejects", "everything"])
def test_a_disk_that_fills_up_is_one_sentence_and_loses_nothing(
    index: Index,
    is_as_after_a_clean_run: Same,
    small_disk: Callable[[str], Path],
    place: Any,
    table: Path,
    what: str,
) -> None:
    disk = small_disk({"register": "220k", "rejects": "4k"}.get(what, "40k"))
    job = place.job(table)
    if what in ("register", "everything"):
        job["url"] = f"sqlite:///{disk / 'register.db'}"
    if what in ("images", "everything"):
        job["images"] = str(disk / "images")
    if what in ("rejects", "everything"):
        job["rejects"] = str(disk / "rejects")
        (disk / "full").write_bytes(bytes(4096 if what == "rejects" else 0))
    (full,) = index(job)
    assert full["status"] == 0
    assert "full" in full["error"] or "No space left" in full["error"]
    (disk / "full").unlink(missing_ok=True)
    small_disk("50m")
    (answer,) = index({**job, "resume": True})
    assert "error" not in answer
    folder = Path(job["images"]).parent
    is_as_after_a_clean_run(type(place)(folder, job["url"]), table)


@pytest.mark.parametrize("source", SOURCES, indirect=True)
@pytest.mark.parametrize("largest", [300, 60_000, 150_000, 250_000], ids="{} bytes a file".format)
def test_a_file_that_must_not_grow_is_one_sentence_and_loses_nothing(
    index: Index, is_as_after_a_clean_run: Same, place: Any, source: Path, largest: int
) -> None:
    """A quota instead of a small disk: what an account without rights can try."""
    (refused,) = index(place.job(source, largest_file=largest))
    assert refused["status"] == 0
    assert refused["error"].endswith((".", "large", "full", "File too large"))
    (answer,) = index(place.job(source, resume=True))
    assert "error" not in answer
    is_as_after_a_clean_run(place, source)


@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_two_indexers_at_once_over_one_source_agree(
    index: Index, is_as_after_a_clean_run: Same, place: Any, source: Path
) -> None:
    for answer in index(place.job(source), place.job(source)):
        assert answer["status"] == 0
        assert "error" not in answer
    is_as_after_a_clean_run(place, source)


@pytest.mark.postgres
def test_two_indexers_at_once_on_postgresql_agree(
    index: Index, is_as_after_a_clean_run: Same, place: Any, postgres_url: str, office_file: Path
) -> None:
    there = type(place)(place.folder, postgres_url)
    for answer in index(there.job(office_file), there.job(office_file)):
        assert answer["status"] == 0
        assert "error" not in answer
    is_as_after_a_clean_run(there, office_file)


def test_two_indexers_over_two_sources_lose_neither(
    index: Index, is_as_after_a_clean_run: Same, place: Any, table: Path, office_file: Path
) -> None:
    for answer in index(place.job(table), place.job(office_file)):
        assert "error" not in answer
    register = Register.open(place.url)
    ids = {mark.record.id[:2] for mark in register.every_mark()}
    office = [mark.record.id for mark in register.every_mark() if mark.record.id.startswith("XX")]
    assert "XX" in ids
    assert register.delete(office) == len(office) == 22
    register.close()
    is_as_after_a_clean_run(place, table)


@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_a_clock_that_jumps_back_changes_nothing(
    index: Index, is_as_after_a_clean_run: Same, place: Any, source: Path
) -> None:
    (killed,) = index(place.job(source, clock_goes_back=True, stage="just committed", turn=3))
    assert killed == {"status": -9}
    (answer,) = index(place.job(source, clock_goes_back=True, resume=True))
    assert answer["resumed_after"] > 0
    is_as_after_a_clean_run(place, source)
    register = Register.open(place.url)
    (run,) = register.last_runs()
    assert run.finished is not None
    assert run.finished < run.started  # the clock did jump; nothing is decided by it
    register.close()
    with contextlib.suppress(FileNotFoundError):
        os.utime(source, (0, 0))  # a source that seems to be from 1970 is read all the same
    (again,) = index(place.job(source, clock_goes_back=True))
    assert again["read"] == answer["read"]
    is_as_after_a_clean_run(place, source)
