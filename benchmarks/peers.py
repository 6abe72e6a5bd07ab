"""MarkNet beside what others search pictures with, on held-out brands and held-out icon sets.

``python -m benchmarks.peers --shared ../shared/data --out RUN`` prints one table for brand groups
(the same sign: redrawn, recoloured, with and without its word) among other logos, and one for
concept groups (the same thing drawn by different hands). Vectors are kept in RUN, so that a run
that is stopped goes on. RUN also gets ``peers.json``, ``peers.html`` and contact sheets of the
worst queries.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.contact_sheet import cell, sheet_of
from models.encoder import Encoder
from models.evaluation.intervals import Interval
from models.evaluation.peers import backbones, imagenet_vgg19, pixel_peers
from models.evaluation.report import Section, html_report
from models.evaluation.retrieval import average_precisions, relevant_ranks, retrieval_intervals
from models.preprocess import Preprocess
from models.training.jobs import SharedPack, on_paper
from models.training.pack import split_of, split_of_brand

_DISTRACTORS = 900
_CONCEPT_PICTURES = 1500
_WORST = 24
_SHOWN = ("mAP", "mAP_100", "recall_at_1", "recall_at_10", "NAR")


@dataclass(frozen=True)
class Contest:
    """Pictures, and which belong together."""

    name: str
    pixels: NDArray[np.uint8]
    groups: list[list[int]]


def contests(pack: SharedPack, limit: int | None) -> Iterator[Contest]:
    """Brand groups and concept groups, both of the held-out side."""
    rng = np.random.default_rng(0)
    held_out = {key for key, logo in pack.logos.items() if split_of_brand(logo.brand) == "test"}
    brands = [[key for key in members if key in held_out] for members in pack.brands.values()]
    chosen = [group for group in brands if len(group) >= 2][:limit]
    grouped = {key for group in chosen for key in group}
    others = sorted(held_out - grouped - {key for group in brands for key in group})
    extra = [others[at] for at in rng.permutation(len(others))[: limit or _DISTRACTORS]]
    yield _contest("brand groups", chosen, extra, lambda key: pack.logos[key].svg)
    concepts = [
        [key for key in members if split_of(key[0]) == "test" and key in pack.pictograms]
        for members in pack.concepts.values()
    ]
    picked: list[list[tuple[str, str]]] = []
    for at in rng.permutation(len(concepts)):
        if len(concepts[at]) >= 2 and sum(map(len, picked)) < (limit or _CONCEPT_PICTURES):
            picked.append(concepts[at][:6])
    yield _contest("concept groups", picked, [], lambda key: pack.pictograms[key].svg)


def _contest(
    name: str,
    groups: Sequence[Sequence[tuple[str, str]]],
    extra: Sequence[tuple[str, str]],
    svg: Callable[[tuple[str, str]], str],
) -> Contest:
    keys = list(dict.fromkeys([*(key for group in groups for key in group), *extra]))
    place = {key: at for at, key in enumerate(keys)}
    pixels = Preprocess().batch([on_paper(svg(key), key[1]) for key in keys])
    return Contest(name, pixels, [[place[key] for key in group] for group in groups])


def vectors(
    contest: Contest, checkpoint: Path | None, shared: Path, out: Path
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every competitor's vectors, MarkNet's first."""
    yield from _ours(contest, checkpoint)
    for peer in pixel_peers():
        yield peer.name, peer.embed(contest.pixels)
    for backbone in backbones(shared / "weights"):
        kept = out / f"{contest.name} {backbone.name.replace('/', '-')} {len(contest.pixels)}.npz"
        if not kept.exists():
            with torch.autocast("cpu", dtype=torch.bfloat16):
                np.savez(kept, allow_pickle=False, **backbone.embed(contest.pixels))
        yield from np.load(kept).items()
    try:
        yield from imagenet_vgg19().embed(contest.pixels).items()
    except OSError as error:
        print(f"left out: torchvision's VGG19 cannot be downloaded ({error})")


def _ours(contest: Contest, checkpoint: Path | None) -> Iterator[tuple[str, NDArray[np.float32]]]:
    encoder = Encoder.load(checkpoint)
    embedding = encoder.encode_pixels(contest.pixels).embeddings.astype(np.float32)
    whole = [embedding[:, block.start : block.stop] * block.weight**0.5 for block in encoder.blocks]
    yield "MarkNet, default weights", np.concatenate(whole, axis=1)
    for block in encoder.blocks:
        yield f"MarkNet, {block.name}", embedding[:, block.start : block.stop]


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--checkpoint", type=Path, help="by default the shipped network")
    parser.add_argument("--limit", type=int, help="fewer groups and distractors, for a quick look")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, dict[str, Interval]]] = {}
    sections = []
    for contest in contests(SharedPack.read(options.shared, options.logo_codes), options.limit):
        table: dict[str, dict[str, Interval]] = {}
        gallery = range(len(contest.pixels))
        for name, rows in vectors(contest, options.checkpoint, options.shared, options.out):
            ranks = relevant_ranks(rows, contest.groups, gallery)
            table[name] = retrieval_intervals(ranks, len(gallery) - 1)
            if name == "MarkNet, default weights":
                sheet = _worst(contest, rows, average_precisions(ranks))
                sheet.save(options.out / f"worst {contest.name}.png")
        sections.append(_section(contest, table))
        found[contest.name] = table
    plain = {
        contest: {name: {m: asdict(i) for m, i in row.items()} for name, row in table.items()}
        for contest, table in found.items()
    }
    (options.out / "peers.json").write_text(json.dumps(plain, indent=1) + "\n", "utf-8")
    html_report(options.out / "peers.html", "MarkNet and its peers", sections)


def _section(contest: Contest, table: Mapping[str, Mapping[str, Interval]]) -> Section:
    """Print a contest's table, best first, and return it for the report."""
    best = max(row["mAP"].value for name, row in table.items() if not name.startswith("MarkNet"))
    columns = ("", *_SHOWN, "mAP / best peer")
    rows = []
    for name, row in sorted(table.items(), key=lambda item: -item[1]["mAP"].value):
        cells = [f"{row[m].value:.3f} [{row[m].low:.3f}, {row[m].high:.3f}]" for m in _SHOWN]
        rows.append((name, *cells, f"{row['mAP'].value / best:.2f}"))
    queries = sum(map(len, contest.groups))
    heading = f"{contest.name}: {queries} queries among {len(contest.pixels)} pictures"
    print(f"\n## {heading}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for cells_ in rows:
        print(f"| {' | '.join(cells_)} |")
    return Section(heading, columns=columns, rows=rows)


def _worst(
    contest: Contest, rows: NDArray[np.float32], precisions: NDArray[np.float64]
) -> Image.Image:
    """The worst queries: query, what should have come, what came."""
    asked = [(row, group) for group in contest.groups for row in group]
    lines = []
    for at in np.argsort(precisions, kind="stable")[:_WORST]:
        query, group = asked[at]
        scores = rows @ rows[query]
        scores[query] = -np.inf
        wanted = next(row for row in group if row != query)
        shown = [query, wanted, *np.argsort(-scores)[:6]]
        said = ["query", "should come", *(f"{place}." for place in range(1, 7))]
        lines.append(
            [
                cell(Image.fromarray(contest.pixels[row]), words)
                for row, words in zip(shown, said, strict=True)
            ]
        )
    return sheet_of(lines)


if __name__ == "__main__":
    main()
