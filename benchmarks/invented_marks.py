"""Invented marks as a register holds them, any number, for `benchmarks.register`.

Names have the words that the Vienna Classification describes pictures with, few of them often and
most seldom (Zipf), and words made up as brands are: the beginning of one word and the end of
another. One in thirty is written in Cyrillic letters. A million marks have some 1.2 million
different words and texts without blanks. Codes have the frequencies of 20,000 EU figurative marks
(`data/euipo_code_frequencies.json`), owners many marks or one; classes, statuses and days are
drawn. Vectors are as long as the shipped network's, one or two parts beside the whole sign, and
places take as much room as real ones do; what they hold is noise.
"""

import hashlib
import itertools
import json
import random
import re
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from indexer.ingest.encoding import mark_digest
from indexer.marks import EncodedMark, MarkRecord
from indexer.words.forms import fold
from models.encoder import Embedding
from models.subjects import everyday_words
from models.vienna import PredictedCode, ViennaCode, ViennaTree

DIMENSION, FINGERPRINT = 496, "synthetic"
_FREQUENCIES = Path(__file__).with_name("data") / "euipo_code_frequencies.json"
_WORDS_OF_A_NAME = (0.1, 0.32, 0.3, 0.17, 0.08, 0.03)
_IS_COMMON, _IS_CYRILLIC = 0.5, 1 / 30
_PLACES = 138 * 32  # bytes: decision 19
_STATUSES = ("registered", "registered", "registered", "expired", "filed")
_FORMS = ("GmbH", "S.L.", "Ltd", "S.p.A.", "Inc.", "SAS", "B.V.", "Sp. z o.o.")
_FIRST_DAY, _DAYS = date(1996, 4, 1), 11_000
CYRILLIC = "abcdefghiklmnoprstuvxyz", "абцдефгхиклмнопрстувхйз"
_IN_CYRILLIC = str.maketrans(*CYRILLIC)


@cache
def common_words() -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Real words, and their cumulated frequencies."""
    tree = ViennaTree.load()
    titles = [tree.title(code) for code in tree.codes()]
    texts = itertools.chain(titles, *everyday_words().values())
    found = {word for text in texts for word in re.findall("[a-z]{3,}", fold(text))}
    words = sorted(found)
    random.Random(7).shuffle(words)
    return tuple(words), tuple(itertools.accumulate(1 / (3 + at) for at in range(len(words))))


def word(draw: random.Random) -> str:
    """A real word or one made up, in small letters."""
    words, frequencies = common_words()
    if draw.random() < _IS_COMMON:
        return draw.choices(words, cum_weights=frequencies)[0]
    first, last = draw.choice(words), draw.choice(words)
    return first[: draw.randint(2, 5)] + last[-draw.randint(2, 5) :]


def name(draw: random.Random, words: int) -> str:
    """So many words, seldom in Cyrillic letters."""
    text = " ".join(word(draw) for _ in range(words))
    return text.translate(_IN_CYRILLIC) if draw.random() < _IS_CYRILLIC else text.upper()


def invented(first: int, count: int, pictures: bool = True) -> list[EncodedMark]:
    """The marks from number ``first`` on, the same at each call; without pictures no vectors."""
    rng, draw = np.random.default_rng([7, first]), random.Random(first)
    known, shares, mean = sections()
    counts = 1 + rng.poisson(mean - 1, count)
    codes = rng.choice(len(known), counts.sum(), p=shares)
    lengths = rng.choice(len(_WORDS_OF_A_NAME), count, p=_WORDS_OF_A_NAME).tolist()
    vectors = 1 + rng.integers(1, 3, count)  # a whole sign and one or two parts
    noise = rng.standard_normal((int(vectors.sum()) if pictures else 0, DIMENSION), np.float32)
    noise = (noise / np.float32(np.sqrt(DIMENSION))).astype(np.float16)
    ends, stops = np.cumsum(counts), np.cumsum(vectors)
    marks = []
    for at in range(count):
        borne = [known[one] for one in set(codes[ends[at] - counts[at] : ends[at]].tolist())]
        embedding = None
        if pictures:
            held = noise[stops[at] - vectors[at] : stops[at]]
            boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (len(held), 1))
            embedding = Embedding(held, boxes, rng.bytes(_PLACES))
        text = name(draw, lengths[at]) or None
        marks.append(_mark(first + at, text, borne, embedding, draw))
    return marks


def picture(at: int) -> bytes:
    """The file of a mark's picture: a few bytes, which nothing decodes."""
    return str(at).encode()


def _mark(
    at: int,
    text: str | None,
    borne: list[ViennaCode],
    embedding: Embedding | None,
    draw: random.Random,
) -> EncodedMark:
    filed = _FIRST_DAY + timedelta(days=draw.randrange(_DAYS))
    owner = random.Random(int(300_000 * draw.random() ** 2))
    record = MarkRecord(
        f"EM-{at:09d}",
        text=text,
        owner=f"{name(owner, 2).title()} {owner.choice(_FORMS)}",
        office="EM",
        status=draw.choice(_STATUSES),
        filed=filed,
        registered=filed + timedelta(days=draw.randrange(90, 400)),
        nice=tuple({draw.randint(1, 45) for _ in range(draw.randint(1, 4))}),
        vienna=tuple(borne),
        image_name=f"{at:09d}.png",
    )
    if embedding is None:
        return EncodedMark(record, mark_digest(record, None, FINGERPRINT))
    digest = hashlib.sha256(picture(at)).hexdigest()
    above = sorted({code for section in borne for code in section.ancestors()})
    return EncodedMark(
        record,
        mark_digest(record, digest, FINGERPRINT),
        image_digest=digest,
        pixels_digest=digest[:32],
        media_type="image/png",
        width=640,
        height=480,
        embedding=embedding,
        predicted=tuple(PredictedCode(code, round(draw.random(), 4)) for code in above),
        confident=frozenset(code for code in above if draw.random() < 0.7),
    )


@cache
def sections() -> tuple[list[ViennaCode], np.ndarray, float]:
    """Sections, the share of each in all that are borne, and how many a mark bears."""
    known = json.loads(_FREQUENCIES.read_text(encoding="utf-8"))
    counted = sorted(known["section"].items())
    counts = np.array([count for _, count in counted], float)
    return (
        [ViennaCode.parse(text) for text, _ in counted],
        counts / counts.sum(),
        counts.sum() / known["n"],
    )
