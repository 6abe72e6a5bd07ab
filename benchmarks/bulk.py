"""Bulk indexing: marks a second of the whole pipeline against the bare encoder, in one run.

``python -m benchmarks.bulk [--marks 600] [--rounds 3] [--duplicates 0.1] [--out bulk.json]``

Each round writes a table and picture files of its own: pictures of the demo register, from the
second lap on with a small coloured patch, so that no two have the same pixels, and a share of exact
duplicates under other names, every second one in another file format. Then, with one encoder at one
batch size:

1. the bare encoder: `Encoder.encode_prepared` on the round's different pictures, decoded and scaled
   beforehand, nothing else running;
2. the pipeline: `MarkLens.ingest` of the table into a register on the disk (read, decode, scale,
   encode, write, commit);
3. the bare encoder again, since machines change their pace; its two times are averaged.

``ratio`` is the pipeline's pictures a second over the bare encoder's. ``busy`` is the share of the
pipeline's time during which the network computed. On a CPU the two differ: decoding threads take
cores from a network that is busy all the time. ``CPU`` is the pipeline's processor time a picture
over the bare encoder's, which other load on the machine hardly moves; it says nothing of a GPU.
Each picture must be encoded once; else this ends with an error. ``peak MB`` is the largest resident
memory while the pipeline ran: it must not grow with the rounds.
"""

import argparse
import csv
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from indexer.ingest import IngestOptions
from indexer.ingest.workers import pixels_digest
from models.encoder import Encoder, Prepared
from models.images import decode_image
from search_api.demo import demo_register
from search_api.marklens import MarkLens
from search_api.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What to index.

    Attributes:
        pictures: files to make the marks' pictures of.
        marks: of one round.
        duplicates: share of the marks that bear another mark's picture, 0 to 1.
        rounds: how often.
        batch: pictures the network gets at once, in the pipeline and bare.
    """

    pictures: Sequence[Path]
    marks: int
    duplicates: float
    rounds: int
    batch: int

    @property
    def different(self) -> int:
        """Pictures a round that are no duplicates."""
        return max(1, round(self.marks * (1 - self.duplicates)))


@dataclass(frozen=True)
class Round:
    """What one round measured.

    Attributes:
        marks: indexed.
        encoded: pictures the network saw.
        pipeline_s: how long indexing took, seconds.
        busy: share of it during which the network computed.
        bare_s: how long the bare encoder took for the same pictures, before and after.
        pipeline_cpu_s, bare_cpu_s: processor time of all threads meanwhile, seconds.
        peak_mb: largest resident memory during indexing.
    """

    marks: int
    encoded: int
    pipeline_s: float
    busy: float
    bare_s: tuple[float, float]
    pipeline_cpu_s: float
    bare_cpu_s: tuple[float, float]
    peak_mb: float

    @property
    def bare_rate(self) -> float:
        """Pictures a second of the bare encoder."""
        return self.encoded / (sum(self.bare_s) / 2)

    @property
    def ratio(self) -> float:
        """Pictures a second of the pipeline, over the bare encoder's."""
        return self.encoded / self.pipeline_s / self.bare_rate

    @property
    def cpu_ratio(self) -> float:
        """Processor time of the pipeline over the bare encoder's for the same pictures."""
        return self.pipeline_cpu_s / (sum(self.bare_cpu_s) / 2)


def write_round(folder: Path, plan: Plan, number: int) -> Path:
    """Write the pictures and the table of a round; return the table."""
    folder.mkdir(parents=True)
    table = folder / "marks.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "image", "text", "nice", "vienna"))
        for at in range(plan.marks):
            name = f"{at}.png"
            if at < plan.different:
                lap, which = divmod(number * plan.different + at, len(plan.pictures))
                _write_picture(plan.pictures[which], lap, folder / name)
            else:
                name = _write_duplicate(folder, at, at % plan.different)
            code = f"{1 + at % 28:02}.01"
            rows.writerow((f"B{number}-{at}", name, f"mark {at}", 1 + at % 45, code))
    return table


def _write_picture(original: Path, lap: int, target: Path) -> None:
    if lap == 0:
        shutil.copyfile(original, target)
        return
    image = decode_image(original.read_bytes(), original.name).convert("RGB")
    rng = np.random.default_rng([lap, image.width, image.height])
    side = max(2, min(image.size) // 8)
    x, y = (int(rng.integers(0, max(1, length - side))) for length in image.size)
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    ImageDraw.Draw(image).rectangle((x, y, x + side, y + side), fill=colour)
    image.save(target)


def _write_duplicate(folder: Path, at: int, of: int) -> str:
    """The same file again, or the same pixels as a BMP: both are one picture to the network."""
    original = folder / f"{of}.png"
    with Image.open(original) as image:
        is_plain = image.mode == "RGB"  # only then a BMP holds the very same pixels
        if at % 2 and is_plain:
            image.save(folder / f"{at}.bmp")
            return f"{at}.bmp"
    shutil.copyfile(original, folder / f"{at}.png")
    return f"{at}.png"


def measure(plan: Plan, marklens: MarkLens, folder: Path) -> Iterator[Round]:
    """Go through the rounds, in one register.

    Args:
        plan: see `Plan`.
        marklens: an empty register.
        folder: for the sources; a round's is gone before the next.
    """
    seen: set[str] = set()
    for number in range(plan.rounds):
        table = write_round(folder / str(number), plan, number)
        yield _measured(plan, marklens, table, seen)
        shutil.rmtree(table.parent)


def _measured(plan: Plan, marklens: MarkLens, table: Path, seen: set[str]) -> Round:
    encoder = marklens.encoder
    pictures = _fresh(encoder, table, seen)
    count, before = len(pictures), _bare(encoder, pictures, plan.batch)
    del pictures  # its memory is not the pipeline's
    options = IngestOptions(batch=plan.batch)
    _forget_peak()
    started = _clocks()
    report = marklens.ingest(table, options=options)
    spent, cpu = (_clocks() - started).tolist()
    peak = _peak_mb()
    if (report.indexed, report.encoded) != (plan.marks, count):
        raise SystemExit(
            f"{report.indexed} of {plan.marks} marks are indexed, and the network saw "
            f"{report.encoded} pictures where {count} are different"
        )
    pictures = _fresh(encoder, table, seen)
    bare_s, bare_cpu_s = zip(before, _bare(encoder, pictures, plan.batch), strict=True)
    seen.update(map(pixels_digest, pictures))
    busy = report.encoding_s / spent
    return Round(plan.marks, count, spent, busy, bare_s, cpu, bare_cpu_s, peak)


def _fresh(encoder: Encoder, table: Path, seen: set[str]) -> list[Prepared]:
    """The table's different pictures that no earlier round had."""
    found: dict[str, Prepared] = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            image = decode_image((table.parent / row["image"]).read_bytes(), row["image"])
            picture = encoder.prepare(image)
            digest = pixels_digest(picture)
            if digest not in seen:
                found[digest] = picture
    return list(found.values())


def _bare(encoder: Encoder, pictures: Sequence[Prepared], batch: int) -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    encoder.encode_prepared(pictures[:batch])  # whatever is made at the first call
    started = _clocks()
    for at in range(0, len(pictures), batch):
        encoder.encode_prepared(pictures[at : at + batch])
    spent, cpu = (_clocks() - started).tolist()
    return spent, cpu


def _clocks() -> NDArray[np.float64]:
    return np.array((time.perf_counter(), time.process_time()))


def _forget_peak() -> None:
    """Have the kernel count this process's peak memory from now on; elsewhere it is the whole's."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def summary(plan: Plan, encoder: Encoder, rounds: Sequence[Round]) -> dict[str, object]:
    """What ``--out`` gets: the plan, the means over the rounds, and each round."""
    pipeline_s = sum(one.pipeline_s for one in rounds)
    encoded = sum(one.encoded for one in rounds)
    bare_rate = encoded / sum(sum(one.bare_s) / 2 for one in rounds)
    return {
        "marks": sum(one.marks for one in rounds),
        "encoded": encoded,
        "duplicates": sum(one.marks - one.encoded for one in rounds),
        "marks_per_s": sum(one.marks for one in rounds) / pipeline_s,
        "pictures_per_s": encoded / pipeline_s,
        "bare_encoder_pictures_per_s": bare_rate,
        "ratio": encoded / pipeline_s / bare_rate,
        "busy": sum(one.busy * one.pipeline_s for one in rounds) / pipeline_s,
        "cpu_ratio": sum(one.pipeline_cpu_s for one in rounds)
        / sum(sum(one.bare_cpu_s) / 2 for one in rounds),
        "peak_mb": [round(one.peak_mb, 1) for one in rounds],
        "batch": plan.batch,
        "runtime": encoder.runtime_name,
        "device": encoder.device,
        "rounds": [asdict(one) for one in rounds],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    defaults = IngestOptions()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--marks", type=int, default=600, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duplicates", type=float, default=0.1, help="share of the marks")
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--pictures", type=Path, default=demo_register() / "images")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    files = sorted(path for path in options.pictures.iterdir() if path.is_file())
    plan = Plan(files, options.marks, options.duplicates, options.rounds, options.batch)
    with (
        tempfile.TemporaryDirectory(prefix="marklens-bulk-") as temporary,
        MarkLens.open(Settings(data_dir=Path(temporary) / "data")) as marklens,
    ):
        rounds = []
        print("marks encoded | marks/s pictures/s | bare pictures/s ratio  CPU | busy | peak MB")
        for one in measure(plan, marklens, Path(temporary) / "sources"):
            rounds.append(one)
            print(_line(one), flush=True)
        found = summary(plan, marklens.encoder, rounds)
    print(
        f"all: {found['marks_per_s']:.1f} marks/s, {found['pictures_per_s']:.1f} different "
        f"pictures/s, bare encoder {found['bare_encoder_pictures_per_s']:.1f}; ratio "
        f"{found['ratio']:.3f}, processor time {found['cpu_ratio']:.2f} times; network busy "
        f"{found['busy']:.1%}; {found['duplicates']} duplicates not encoded again; batch "
        f"{plan.batch}, {found['runtime']} on {found['device']}"
    )
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _line(one: Round) -> str:
    bare = "/".join(f"{one.encoded / spent:.1f}" for spent in one.bare_s)
    rates = f"{one.marks / one.pipeline_s:7.1f} {one.encoded / one.pipeline_s:10.1f}"
    ratios = f"{bare:>15} {one.ratio:5.3f} {one.cpu_ratio:4.2f}"
    busy = f"{one.busy:4.0%} | {one.peak_mb:7.0f}"
    return f"{one.marks:5} {one.encoded:7} | {rates} | {ratios} | {busy}"


if __name__ == "__main__":
    main()
