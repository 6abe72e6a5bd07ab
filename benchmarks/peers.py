"""MarkNet beside what others search pictures with, on held-out brands and held-out icon sets.

``python -m benchmarks.peers --shared ../shared/data --out RUN`` prints three tables:

- brand groups (the same sign: redrawn, recoloured, with and without its word) among other logos;
- concept groups (the same thing drawn by different hands);
- transformations: a logo, changed, must find its original among all logos of the first contest.

All competitors get the same picture, trimmed and padded to a square, in the size that they were
made for: 224 pixels, MarkNet fewer. All blocks of MarkNet's embedding are listed, not only the
best. Vectors are kept in RUN by 128 pictures, so that a run that is stopped goes on. RUN also gets
``peers.json``, ``peers.html`` and contact sheets of the worst queries. VGG16 looks at 3 to 8
pictures a second on two cores; ``--groups``, ``--distractors``, ``--concept-pictures`` and
``--queries`` bound a run.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.contact_sheet import cell, sheet_of
from benchmarks.peers_kept import OURS, Competitor, competitors
from models.evaluation.changes import TRANSFORMATIONS, UNDONE
from models.evaluation.html_report import Section, html_report
from models.evaluation.intervals import Interval
from models.evaluation.retrieval_metrics import (
    average_precisions,
    changed_ranks,
    relevant_ranks,
    retrieval_intervals,
)
from models.marknet.training_pictures import SharedPack, on_paper
from models.synthesis.drawings import split_of, split_of_brand

_WORST = 24
_SHOWN = ("mAP", "mAP_100", "recall_at_1", "recall_at_10", "NAR")
_MOST_OF_A_CONCEPT = 6

Key = tuple[str, str]  # set and name of a drawing
Table = dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Contest:
    """Pictures, and which belong together.

    Attributes:
        name: as tables show it.
        pictures: as drawn, mode RGB.
        groups: rows that belong together.
    """

    name: str
    pictures: Sequence[Image.Image]
    groups: Sequence[Sequence[int]]


def brand_contest(pack: SharedPack, most_groups: int | None, distractors: int) -> Contest:
    """Drawings of held-out brands, among other logos of held-out brands."""
    held_out = {key for key, logo in pack.logos.items() if split_of_brand(logo.brand) == "test"}
    brands = [[key for key in members if key in held_out] for members in pack.brands.values()]
    chosen = [group for group in brands if len(group) >= 2][:most_groups]
    others = sorted(held_out - {key for group in brands for key in group})
    order = np.random.default_rng(0).permutation(len(others))[:distractors]
    return _contest("brand groups", chosen, [others[at] for at in order], _svg_of(pack.logos))


def concept_contest(pack: SharedPack, most_pictures: int) -> Contest:
    """Drawings of one thing by different hands, all of held-out icon sets."""
    concepts = [
        [key for key in members if split_of(key[0]) == "test" and key in pack.pictograms]
        for members in pack.concepts.values()
    ]
    picked: list[list[Key]] = []
    for at in np.random.default_rng(0).permutation(len(concepts)):
        if len(concepts[at]) >= 2 and sum(map(len, picked)) < most_pictures:
            picked.append(concepts[at][:_MOST_OF_A_CONCEPT])
    return _contest("concept groups", picked, [], _svg_of(pack.pictograms))


def _svg_of(drawings: Mapping[Key, object]) -> Callable[[Key], str]:
    return lambda key: drawings[key].svg  # type: ignore[attr-defined,no-any-return]


def _contest(
    name: str,
    groups: Sequence[Sequence[Key]],
    extra: Sequence[Key],
    svg: Callable[[Key], str],
) -> Contest:
    keys = list(dict.fromkeys([*(key for group in groups for key in group), *extra]))
    place = {key: at for at, key in enumerate(keys)}
    pictures = [on_paper(svg(key), key[1]) for key in keys]
    rows = [[place[key] for key in group] for group in groups]
    return Contest(name, pictures, rows)


def groups_table(contest: Contest, rivals: Sequence[Competitor], out: Path) -> Table:
    """What each competitor scores; draws MarkNet's worst queries."""
    table: Table = {}
    gallery = range(len(contest.pictures))
    for rival in rivals:
        for name, rows in rival.vectors(contest.name, contest.pictures).items():
            ranks = relevant_ranks(rows, contest.groups, gallery)
            table[name] = retrieval_intervals(ranks, len(gallery) - 1)
            if name == OURS:
                sheet = _worst(contest, rows, average_precisions(ranks))
                sheet.save(out / f"worst {contest.name}.png")
    return table


def changes_tables(
    contest: Contest, rivals: Sequence[Competitor], queries: int
) -> dict[str, Table]:
    """Change → competitor → what it scores: each picture, changed, looks for its original."""
    n = len(contest.pictures)
    rows = np.unique(np.linspace(0, n - 1, min(n, queries)).astype(np.int64))
    changed = {
        name: [change(contest.pictures[row], np.random.default_rng([int(row), 5])) for row in rows]
        for name, change in TRANSFORMATIONS.items()
    }
    names = [*changed, *UNDONE.values()]
    tables: dict[str, Table] = {name: {} for name in names}
    for rival in rivals:
        stored = rival.vectors(contest.name, contest.pictures)
        for name, pictures in changed.items():
            for way, found in rival.vectors(f"{contest.name} {name}", pictures).items():
                ranks = changed_ranks(stored[way], rows, found)
                tables[name][way] = retrieval_intervals(ranks, n)
                if name in UNDONE:
                    ranks = changed_ranks(stored[way], rows, found, stored_changed=True)
                    tables[UNDONE[name]][way] = retrieval_intervals(ranks, n)
    return tables


def _groups_section(contest: Contest, table: Table) -> Section:
    """A contest's table, best first."""
    best = max(row["mAP"].value for name, row in table.items() if not name.startswith("MarkNet"))
    rows = []
    for name, row in sorted(table.items(), key=lambda item: -item[1]["mAP"].value):
        cells = [f"{row[m].value:.3f} [{row[m].low:.3f}, {row[m].high:.3f}]" for m in _SHOWN]
        rows.append((name, *cells, f"{row['mAP'].value / best:.2f}"))
    queries = sum(map(len, contest.groups))
    heading = f"{contest.name}: {queries} queries among {len(contest.pictures)} pictures"
    return Section(heading, columns=("", *_SHOWN, "mAP / best peer"), rows=rows)


def _changes_section(tables: Mapping[str, Table], metric: str, queries: int) -> Section:
    """One metric: competitors down, changes across, best on average first."""
    ways = next(iter(tables.values()))
    means = {way: np.mean([table[way][metric].value for table in tables.values()]) for way in ways}
    rows = [
        (
            way,
            *(
                f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"
                for one in (table[way][metric] for table in tables.values())
            ),
            f"{means[way]:.3f}",
        )
        for way in sorted(ways, key=lambda way: -means[way])
    ]
    heading = f"transformations, {metric}: {queries} changed logos among all logos"
    return Section(heading, columns=("", *tables, "mean"), rows=rows)


def _print(section: Section) -> Section:
    print(f"\n## {section.heading}\n\n| {' | '.join(section.columns)} |")
    print(f"|---|{'---:|' * (len(section.columns) - 1)}")
    for row in section.rows:
        print(f"| {' | '.join(row)} |", flush=True)
    return section


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
            [cell(contest.pictures[row], words) for row, words in zip(shown, said, strict=True)]
        )
    return sheet_of(lines)


def _plain(table: Table) -> dict[str, dict[str, dict[str, float]]]:
    return {name: {m: asdict(i) for m, i in row.items()} for name, row in table.items()}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--checkpoint", type=Path, help="by default the shipped network")
    parser.add_argument("--groups", type=int, help="at most so many brands; by default all")
    parser.add_argument("--distractors", type=int, default=900, help="other logos")
    parser.add_argument("--concept-pictures", type=int, default=1500, help="about so many")
    parser.add_argument("--queries", type=int, default=150, help="logos that are changed")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the benchmark."""
    options = _options(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    pack = SharedPack.read(options.shared, options.logo_codes)
    rivals = competitors(options.checkpoint, options.shared / "weights", options.out)
    brands = brand_contest(pack, options.groups, options.distractors)
    sections, found = [], {}
    for contest in (brands, concept_contest(pack, options.concept_pictures)):
        table = groups_table(contest, rivals, options.out)
        sections.append(_print(_groups_section(contest, table)))
        found[contest.name] = _plain(table)
    tables = changes_tables(brands, rivals, options.queries)
    for metric in ("recall_at_1", "mAP"):
        sections.append(_print(_changes_section(tables, metric, options.queries)))
    found |= {f"transformation {name}": _plain(table) for name, table in tables.items()}
    (options.out / "peers.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    html_report(options.out / "peers.html", "MarkNet and its peers", sections)


if __name__ == "__main__":
    main()
