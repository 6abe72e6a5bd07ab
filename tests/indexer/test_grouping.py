"""Hits that show one sign are one group: near-identical ones, and variants of one owner."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from indexer.index.follower import Follower
from indexer.index.segments import ReadView
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.query import Hit
from indexer.register import Register
from indexer.search.grouping import NEAR_IDENTICAL, ONE_OWNERS, grouped
from models.encoder import Block, Embedding

BLOCKS = (Block("visual", 0, 4, 1.0), Block("colour", 4, 8, 0.5))


def unit(vector: Sequence[float]) -> np.ndarray:
    """One vector of two equal unit-length blocks."""
    block = np.array(vector, np.float32) / np.linalg.norm(vector)
    return np.concatenate([block, block]).astype(np.float16)


def written(folder: Path, marks: list[tuple[str, str | None, np.ndarray]]) -> tuple[Hit, ...]:
    """Hits of marks (id, owner, vector) in their order, with their groups."""
    register = Register.open(f"sqlite:///{folder / 'register.db'}")
    try:
        for at, (mark_id, owner, vector) in enumerate(marks):
            record = MarkRecord(id=mark_id, owner=owner)
            embedding = Embedding.without_boxes(vector)
            register.add([EncodedMark(record, f"{at:064x}", embedding=embedding)])
        view = Follower(register, None, 8, "tiny", IndexChoice("cpu")).refresh()
        found = register.marks([mark_id for mark_id, _, _ in marks])
        hits = [Hit(one, 1.0, {}, found[one]) for one, _, _ in marks]
        assert [hit.group for hit in grouped(hits, ReadView(), BLOCKS)] == [one[0] for one in marks]
        return grouped(hits, view, BLOCKS)
    finally:
        register.close()


def groups(hits: Sequence[Hit]) -> list[str | None]:
    return [hit.group for hit in hits]


def test_near_identical_marks_and_an_owners_variants_follow_the_first(tmp_path: Path) -> None:
    first = unit([1, 0, 0, 0])
    variant = unit([1, 0.7, 0, 0])  # cosine 0.82
    other = unit([0, 0, 1, 0])
    hits = written(
        tmp_path,
        [
            ("a", "Torvo AB", first),
            ("b", None, unit([1, 0.1, 0, 0])),
            ("c", "TORVO ab", variant),
            ("d", "Someone else", variant),
            ("e", None, other),
            ("f", "Torvo AB", other),
        ],
    )
    assert groups(hits) == ["a", "a", "a", "d", "e", "e"]


def test_no_owner_is_not_the_same_owner(tmp_path: Path) -> None:
    hits = written(tmp_path, [("a", None, unit([1, 0, 0, 0])), ("b", None, unit([1, 0.7, 0, 0]))])
    assert groups(hits) == ["a", "b"]
    assert grouped([], ReadView(), BLOCKS) == ()


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_of_a_plain_loop(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    middles = rng.standard_normal((4, 4))
    marks = [
        (
            f"m{at}",
            [None, "One", "Two"][rng.integers(3)],
            unit(middles[rng.integers(4)] + 0.35 * rng.standard_normal(4)),
        )
        for at in range(25)
    ]
    hits = written(tmp_path, marks)
    leaders: list[tuple[str, str | None, np.ndarray]] = []
    for one, hit in zip(marks, hits, strict=True):
        scores = {
            leader[0]: float(leader[2].astype(np.float32) @ one[2].astype(np.float32)) / 2
            for leader in leaders
            if float(leader[2].astype(np.float32) @ one[2].astype(np.float32)) / 2
            >= (ONE_OWNERS if one[1] and leader[1] == one[1] else NEAR_IDENTICAL)
        }
        expected = max(scores, key=lambda name: scores[name], default=one[0])
        if expected == one[0]:
            leaders.append(one)
        assert hit.group == expected, (seed, one[0])
    assert len(leaders) < len(marks), "some are grouped"
