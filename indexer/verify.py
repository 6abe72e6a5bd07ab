"""Checks register, pictures and snapshot against each other; changes nothing.

The database's file comes first: in a damaged one nothing else is worth reading. Then the snapshot,
so that it is not ahead of the rows, which are read some hundreds at a time, in one transaction.
Digests of pictures are compared, in their order, with the files, which are read one after the
other.
"""

import hashlib
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from indexer.damage import ENCODE, KINDS, Fault
from indexer.errors import SnapshotDamaged
from indexer.index.snapshot_check import HeldMark, SnapshotCheck
from indexer.ingest.encoding import mark_digest
from indexer.ingest.reencode import UNFINISHED
from indexer.register.derived import expected_entries
from indexer.register.image_store import picture_files
from indexer.register.moment import Moment, Page, database_faults, open_moment
from indexer.register.stored_embeddings import stored_vectors

_END = "\U0010ffff"  # sorts after all digests

Progress = Callable[[int, int], None]


class Place(NamedTuple):
    """What is checked.

    Attributes:
        database: URL of the register.
        images: folder of the pictures.
        snapshot: folder of the index' snapshot; None where the index is elsewhere.
        fingerprint: of the network in use; None where it cannot be told.
    """

    database: str
    images: Path
    snapshot: Path | None
    fingerprint: str | None = None


@dataclass
class Findings:
    """What was checked and found.

    Attributes:
        checked: how many marks, pictures and so on were looked at.
        counts: faults of each kind.
        examples: the first faults of each kind.
    """

    most_examples: int = 10
    checked: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return not any(KINDS[kind].is_damage for kind in self.counts)

    def add(self, faults: Iterable[Fault]) -> None:
        """Take faults in."""
        for fault in faults:
            self.counts[fault.kind] += 1
            if len(self.examples[fault.kind]) < self.most_examples:
                self.examples[fault.kind].append(fault)


def verify(
    place: Place, findings: Findings, *, reads_pictures: bool = True, progress: Progress
) -> None:
    """Check a register and what lies beside it.

    Args:
        place: where all of it is.
        findings: takes in what is found.
        reads_pictures: read every picture; else only see that its file is there.
        progress: called with (steps done, steps in all), marks first and then pictures.

    Raises:
        DatabaseUnavailable: the register cannot be read.
        MarkLensError: the folder of pictures cannot be read.
    """
    findings.add(database_faults(place.database))
    if findings.counts["database"]:
        return
    snapshot = _snapshot(place.snapshot, findings)
    with _spool() as digests:
        with open_moment(place.database) as moment:
            _verify_register(moment, place, snapshot, findings, progress)
            total = 0
            for pair in moment.pictures():
                digests.write(json.dumps(pair) + "\n")
                total += 1
        needed = _counted(digests, total, progress)
        findings.add(_picture_faults(place.images, needed, findings.checked, reads_pictures))


def _counted(digests: IO[str], total: int, progress: Progress) -> Iterator[tuple[str, str]]:
    digests.seek(0)
    for done, line in enumerate(digests, 1):
        digest, of = json.loads(line)
        yield digest, of
        progress(done, total)


def _snapshot(folder: Path | None, findings: Findings) -> SnapshotCheck | None:
    try:
        return None if folder is None else SnapshotCheck.open(folder)
    except SnapshotDamaged as error:
        findings.add([Fault("snapshot-damaged", str(folder), str(error))])
        return None


def _verify_register(
    moment: Moment,
    place: Place,
    snapshot: SnapshotCheck | None,
    findings: Findings,
    progress: Progress,
) -> None:
    is_between = (moment.fingerprint or "").startswith(UNFINISHED)  # two networks
    if is_between:
        says = f"`{ENCODE}` goes on, or was stopped: digests and snapshot are not compared"
        findings.add([Fault("network", "register", says)])
        snapshot = None
    elif moment.fingerprint is not None and place.fingerprint not in (None, moment.fingerprint):
        says = f"the register's come from {moment.fingerprint}, not from {place.fingerprint}"
        findings.add([Fault("network", "register", says)])
    if snapshot is not None and (fault := _foreign(snapshot, moment)):
        findings.add([fault])
        snapshot = None
    last = entries = unreadable = 0
    for page in moment.pages(lambda page: () if is_between else _altered(page, moment.fingerprint)):
        findings.add(page.faults)
        if snapshot is not None:
            findings.add(snapshot.faults_of(page.span, _held(page), moment.sequences_now))
        entries += expected_entries(page.rows)
        last = page.span[1]
        unreadable += page.unreadable
        findings.checked["marks"] += len(page.rows) + page.unreadable
        progress(findings.checked["marks"], moment.count)
    findings.add(moment.faults_beside(None if unreadable else entries))
    if snapshot is not None:
        rest = (last, snapshot.facts.sequence)
        findings.add(snapshot.faults_of(rest, [], moment.sequences_now))
        findings.checked["snapshot marks"] = snapshot.live
        behind = moment.sequence - snapshot.facts.sequence
        if behind:
            says = f"stands at change {snapshot.facts.sequence:,} of {moment.sequence:,}"
            findings.add([Fault("snapshot-behind", str(place.snapshot), says)])


def _foreign(snapshot: SnapshotCheck, moment: Moment) -> Fault | None:
    """Why a snapshot, whole as it is, is not this register's."""
    facts = snapshot.facts
    mine = (moment.identity, moment.fingerprint, moment.dimension)
    if (facts.register, facts.fingerprint, facts.dimension) != mine:
        return Fault("snapshot-other", "snapshot", "made from another register or network")
    if facts.sequence > moment.sequence:
        says = f"stands at change {facts.sequence:,}, the register at {moment.sequence:,}"
        return Fault("snapshot-other", "snapshot", says)
    if facts.stamp != moment.stamp(facts.sequence):
        says = "made from the register before it was restored from a backup"
        return Fault("snapshot-other", "snapshot", says)
    return None


def _altered(page: Page, fingerprint: str | None) -> Iterator[Fault]:
    """Marks whose digest is not that of their fields, picture and network.

    Those without a picture keep the digest of the network that was in use when they came.
    """
    digests = {row["number"]: row["digest"] for row in page.rows if row["embedding"] is not None}
    for number, digest in digests.items():
        mark = page.marks[number]
        if digest != mark_digest(mark.record, mark.image_digest, fingerprint or ""):
            yield Fault("mark-altered", mark.record.id, "is not what its digest says")


def _held(page: Page) -> list[HeldMark]:
    return [
        HeldMark(
            row["id"],
            row["number"],
            row["sequence"],
            None if row["embedding"] is None else stored_vectors(row["embedding"], row["boxes"]),
        )
        for row in page.rows
    ]


def _picture_faults(
    folder: Path, needed: Iterator[tuple[str, str]], checked: Counter[str], reads: bool
) -> Iterator[Fault]:
    """Pictures that are needed and missing or altered, and those that nobody needs.

    Args:
        folder: of the pictures.
        needed: digests, ascending, each with a mark or watch that refers to it.
        checked: counts the files.
        reads: compare the bytes of each file with its name.
    """
    files = chain(picture_files(folder), [Path(_END)])
    file = next(files)
    for digest, of in needed:
        while file.name < digest:
            yield Fault("picture-of-no-mark", str(file), "belongs to no mark")
            file = next(files)
        if file.name != digest:
            yield Fault("picture-missing", of, f"{digest} is not in {folder}")
            continue
        checked["pictures"] += 1
        if reads and (says := _otherwise(file)):
            yield Fault("picture-altered", of, f"{file} {says}")
        file = next(files)
    while file.name != _END:
        yield Fault("picture-of-no-mark", str(file), "belongs to no mark")
        file = next(files)


def _otherwise(file: Path) -> str:
    """In what a file differs from the digest that it is named by; empty if it does not."""
    try:
        with file.open("rb") as content:
            same = hashlib.file_digest(content, "sha256").hexdigest() == file.name
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if same else f"has other bytes ({file.stat().st_size:,} of them)"


@contextmanager
def _spool() -> Iterator[IO[str]]:
    """A temporary file for the digests of all pictures, 100 bytes each."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        yield file
