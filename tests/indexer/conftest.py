"""Marks with everything filled in, and an office whose sources are read into a register."""

import csv
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.ingest import IngestOptions, IngestProgress, IngestReport, ingest
from indexer.ingest.workers import LocalWorkers
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources import MarkSource, open_source
from models.encoder import Embedding, Encoded, Encoder, Prepared
from models.vienna import PredictedCode, ViennaCode

SUN, TREE, TREE_1 = (ViennaCode.parse(text) for text in ("01.03", "05.01", "05.01.01"))
FACE, STAR = ViennaCode.parse("02.01"), ViennaCode.parse("01.01.02")
CODES = (SUN, TREE, TREE_1, FACE, STAR)
Draw = Callable[..., Image.Image]
HEADER = "id,image,text,vienna"
OnProgress = Callable[[IngestProgress], None] | None


@pytest.fixture(scope="session")
def mark() -> Callable[..., EncodedMark]:
    """A function (id, seed=0, **fields) → a mark with everything filled in, the same for a seed.

    The network saw 02.01 and 01.01.02 in it, the first one confidently where the seed is odd.
    """

    def filled(mark_id: str, seed: int = 0, **fields: object) -> EncodedMark:
        rng = np.random.default_rng(seed)
        record = MarkRecord(
            mark_id,
            text=f"Word {seed}",
            owner="Ünïversal Ltd",
            office=("EM", "US")[seed % 2],
            status=("registered", "filed", "expired")[seed % 3],
            filed=date(2020, 1, 1) + timedelta(days=seed),
            registered=date(2021, 1, 1) + timedelta(days=seed),
            nice=tuple(int(n) for n in rng.choice(np.arange(1, 46), seed % 4, replace=False)),
            vienna=CODES[seed % 3 : 3],
            image_name=f"{mark_id}.png",
        )
        return EncodedMark(
            dataclasses.replace(record, **fields),
            digest=f"{seed:064x}",
            image_digest=f"{seed + 7:064x}",
            pixels_digest=f"{seed + 7:032x}",
            media_type="image/png",
            width=320,
            height=200 + seed,
            embedding=Embedding(
                rng.normal(size=(1 + seed % 4, 16)).astype(np.float16),
                rng.random((1 + seed % 4, 4), dtype=np.float32),
            ),
            predicted=(PredictedCode(FACE, float(rng.random())), PredictedCode(STAR, 0.07)),
            confident=frozenset({FACE}) if seed % 2 else frozenset(),
        )

    return filled


class CountingEncoder(Encoder):
    """The tiny network, counting the pictures it gets."""

    pictures = 0

    def __init__(self, encoder: Encoder) -> None:
        self.__dict__.update(encoder.__dict__)

    def encode_prepared(self, pictures: Sequence[Prepared]) -> Encoded:
        self.pictures += len(pictures)
        return super().encode_prepared(pictures)


@dataclass
class Office:
    """A folder of tables, XML files and pictures, and a register to read them into."""

    folder: Path
    register: Register
    images: ImageStore
    encoder: CountingEncoder
    draw: Draw

    def picture(self, name: str, seed: int) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.draw(seed).save(path)

    def table(self, rows: list[str]) -> Path:
        path = self.folder / "marks.csv"
        path.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
        return path

    def marks(self, n: int) -> Path:
        for seed in range(n):
            self.picture(f"{seed}.png", seed)
        return self.table([f"m{n},{n}.png,word {n},03.01" for n in range(n)])

    def open(self) -> MarkSource:
        return open_source(self.folder / "marks.csv")

    def ingest(
        self,
        options: IngestOptions | None = None,
        on_progress: OnProgress = None,
        *,
        strict: bool = False,
    ) -> IngestReport:
        """Read `marks.csv`."""
        path = self.folder / "marks.csv"
        return self.ingest_file(path, options, on_progress, strict=strict)

    def ingest_file(
        self,
        path: Path,
        options: IngestOptions | None = None,
        on_progress: OnProgress = None,
        *,
        strict: bool = False,
    ) -> IngestReport:
        """Read a source of any kind; pictures lie beside it."""
        source = open_source(path, strict=strict)
        workers = LocalWorkers(self.encoder)
        return ingest(source, self.register, self.images, workers, options, on_progress)

    @staticmethod
    def counts(report: IngestReport) -> tuple[int, int, int, int, int]:
        """Rows read, indexed, updated, unchanged, rejected."""
        return report.read, report.indexed, report.updated, report.unchanged, report.rejected

    @staticmethod
    def rejects(report: IngestReport) -> list[dict[str, str]]:
        """The rows of the rejects file, which must be there."""
        assert report.rejects_file is not None
        with report.rejects_file.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def contents(self) -> dict[str, tuple[str | None, str | None, bytes]]:
        """Id → words, picture, embedding of every live mark, straight from the changes."""
        changes = [change for change in self.register.changes(0, 10_000) if not change.deleted]
        marks = self.register.marks([change.id for change in changes])
        return {
            change.id: (
                marks[change.id].record.text,
                marks[change.id].image_digest,
                np.asarray(change.embedding).tobytes(),
            )
            for change in changes
        }


@pytest.fixture
def office(tmp_path: Path, encoder: Encoder, draw_mark: Draw) -> Iterator[Office]:
    """An office of the test's own, and an empty SQLite register."""
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    folder = tmp_path / "source"
    folder.mkdir()
    store = ImageStore(tmp_path / "data" / "images")
    yield Office(folder, register, store, CountingEncoder(encoder), draw_mark)
    register.close()
