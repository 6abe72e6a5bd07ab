"""Marks and followers of a register, and what searches find there."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.query import Filter, SearchQuery
from indexer.register import Register
from indexer.search.searcher import Searcher
from models.encoder import Block, Embedding
from models.vienna import ViennaCode

BLOCKS = (Block("visual", 0, 8, 1.0), Block("colour", 8, 12, 0.5))
DIMENSION = 12


def embedding(seed: int) -> Embedding:
    """Of a whole sign and of up to two parts."""
    vectors = np.random.default_rng(seed).standard_normal((1 + seed % 3, DIMENSION))
    for block in BLOCKS:
        part = vectors[:, block.start : block.stop]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return Embedding.without_boxes(vectors.astype(np.float16))


def mark(at: int, seed: int | None = None) -> EncodedMark:
    codes = (ViennaCode(1 + at % 3, 1 + at % 2),)
    record = MarkRecord(f"m{at:03d}", vienna=codes, status=["filed", None, "expired"][at % 3])
    return EncodedMark(record, "0" * 64, embedding=embedding(at if seed is None else seed))


def copy_database(path: Path, to: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def answers(register: Register, follower: Follower) -> list:
    """All that can be found, in order, for a few searches."""
    searcher = Searcher(register, follower, BLOCKS)
    wanted = [
        Filter(),
        Filter(vienna_any=(ViennaCode(2),)),
        Filter(status=frozenset({"expired"}), vienna_none=(ViennaCode(3, 1),)),
    ]
    return [
        (hit.id, hit.score, dict(hit.scores), hit.mark.sequence)
        for filter_ in wanted
        for hit in searcher.search(SearchQuery(embedding(3), k=200, filter=filter_)).hits
    ]


def truth(register: Register) -> list:
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    follower.refresh()
    return answers(register, follower)


def reopened(register: Register, folder: Path, fingerprint: str = "tiny") -> Follower:
    follower = Follower(register, folder, DIMENSION, fingerprint, IndexChoice("cpu"))
    follower.refresh()
    return follower
