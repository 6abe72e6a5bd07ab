"""Registers of earlier releases, and databases without an index of words, answer all the same."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.pages import Page
from indexer.query import Filter, SearchQuery
from indexer.register import Register
from indexer.search.searcher import Searcher
from models.encoder import Block, Embedding
from models.vienna import PredictedCode, ViennaCode

OLD = Path(__file__).parents[1] / "data" / "register-0.1.db"
FACE, STAR, TREE = ViennaCode(2, 1), ViennaCode(1, 1, 2), ViennaCode(5, 1)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Register]:
    """A register that MarkLens 0.1 wrote."""
    shutil.copy(OLD, tmp_path / "register.db")
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    yield register
    register.close()


def test_bringing_a_register_up_to_date_is_announced_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(OLD, tmp_path / "register.db")
    for _ in range(2):
        Register.open(f"sqlite:///{tmp_path / 'register.db'}").close()
    assert [one.message for one in caplog.records if "earlier schema" in one.message] == [
        f"The database sqlite:///{tmp_path / 'register.db'} has an earlier schema: it is brought "
        "up to date, which takes minutes at a million marks."
    ]


def test_a_register_of_0_1_holds_what_it_held(old: Register) -> None:
    assert old.count() == 7
    assert old.bound() == ("tiny", 8)
    assert old.mark("m2").record == MarkRecord(
        "m2",
        text="Löwe 2",
        owner="Ünïversal Ltd",
        office="EM",
        status="registered",
        filed=date(2020, 1, 3),
        nice=(9, 25),
        vienna=(TREE, ViennaCode(26)),
    )
    assert old.mark("m2").predicted == (
        PredictedCode(STAR, 0.7666666666666666),  # the very floats
        PredictedCode(FACE, 0.2749693679060381),
    )
    assert old.mark("m6").record.us_design == ("26.01.21",)
    assert old.mark("m7").record == MarkRecord("m7", text="Löwe 7", owner="Ünïversal Ltd")
    assert [(one.id, one.deleted) for one in old.changes(8, 9)] == [("m4", True), ("m1", False)]
    assert [one.confident for one in old.changes(0, 1)[0].predicted] == [True, False]


def test_a_register_of_0_1_is_searched_and_written_to(old: Register) -> None:
    follower = Follower(old, None, 8, "tiny", IndexChoice("cpu"))
    follower.refresh()
    searcher = Searcher(old, follower, (Block("all", 0, 8, 1.0),))

    def found(**wanted: object) -> list[str]:
        embedding = old.embedding("m1")
        assert embedding is not None
        hits = searcher.search(SearchQuery(embedding, filter=Filter(**wanted))).hits  # type: ignore[arg-type]
        return [hit.id for hit in hits]

    assert found()[0] == "m1"
    assert sorted(found()) == ["m0", "m1", "m2", "m5", "m6"]
    assert sorted(found(vienna_any=(TREE,))) == ["m1", "m2", "m5"]
    assert sorted(found(text="löwe")) == ["m0", "m2", "m5"]
    assert found(text="acme strasse") == ["m1"]
    marks, total = old.find(Filter(text="LÖWE"), Page(2))
    assert ([mark.record.id for mark in marks], total) == (["m0", "m2"], 5)
    listed, _ = old.find_words(Filter(text="Loewe 2", owner="universal"), Page(1, order="words"))
    assert [one.mark.record.id for one in listed] == ["m2"]
    old.add([EncodedMark(MarkRecord("m2", text="Eule"), "d"), EncodedMark(MarkRecord("m9"), "d")])
    old.delete(["m0", "gone"])
    follower.refresh()
    assert sorted(found(text="löwe")) == ["m5"]
    assert sorted(found()) == ["m1", "m5", "m6"]
    assert old.count() == 7


def deny_virtual_tables(connection: object, _: object) -> None:
    """As if SQLite had been built without FTS5."""
    denied = 29  # SQLITE_CREATE_VTABLE
    connection.set_authorizer(lambda action, *_: int(action == denied))  # type: ignore[attr-defined]


def test_without_fts5_words_are_found_by_reading_all_marks(tmp_path: Path, caplog) -> None:
    sa.event.listen(sa.Engine, "connect", deny_virtual_tables)
    try:
        register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    finally:
        sa.event.remove(sa.Engine, "connect", deny_virtual_tables)
    assert "words of marks cannot be indexed" in caplog.text
    check_words(register)
    register.close()


@pytest.mark.postgres
def test_without_pg_trgm_words_are_found_by_reading_all_marks(postgres_url: str, caplog) -> None:
    # An account that may make tables, and no extension.
    owner = sa.create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with owner.begin() as connection:
        database = connection.scalar(sa.text("SELECT current_database()"))
        connection.execute(sa.text("DROP ROLE IF EXISTS plain"))
        connection.execute(sa.text("CREATE ROLE plain LOGIN"))
        connection.execute(sa.text("GRANT CREATE ON SCHEMA public TO plain"))
    try:
        register = Register.open(postgres_url.replace("postgres@", "plain@", 1))
        assert "words of marks cannot be indexed" in caplog.text
        check_words(register)
        register.close()
    finally:
        with owner.begin() as connection:
            connection.execute(sa.text("DROP OWNED BY plain"))
            connection.execute(sa.text("DROP ROLE plain"))
        owner.dispose()
    assert database


def check_words(register: Register) -> None:
    short = Embedding.without_boxes(np.ones(8, np.float16))
    register.add(
        [
            EncodedMark(
                MarkRecord("a", text="Löwe"),
                "d",
                embedding=short,
            )
        ]
    )
    register.add([EncodedMark(MarkRecord("b", text="Lö"), "d")])
    for text, expected in (("löw", ["a"]), ("LÖ", ["a", "b"]), ("w", ["a"]), ("löwen", [])):
        numbers = register.numbers_with_text(text).tolist()
        assert [*register.ids_numbered(numbers).values()] == expected
        assert register.find(Filter(text=text), Page(9))[1] == len(expected)


@pytest.mark.parametrize(
    "text", ["ari", 'a"r', "a r", "*ri", "löw", "ω\u0301x", "\U0001f98aab", "and"]
)
def test_three_characters_and_more_are_found_as_they_are_written(
    register: Register, text: str
) -> None:
    """FTS5 has a language of its own, of which none is heard here."""
    words = [f"x{text.upper()}y", text, text[:2], f"{text[0]} {text[1:]}", "NOT near OR"]
    register.add([EncodedMark(MarkRecord(f"m{at}", text=one), "d") for at, one in enumerate(words)])
    found = register.ids_numbered(register.numbers_with_text(text).tolist())
    assert sorted(found.values()) == ["m0", "m1"]


def test_words_follow_every_writing(register: Register) -> None:
    def found(text: str) -> list[str]:
        return sorted(register.ids_numbered(register.numbers_with_text(text).tolist()).values())

    register.add([EncodedMark(MarkRecord(one, text="Bulldog"), "d") for one in "abc"])
    register.add([EncodedMark(MarkRecord("a", text="Red bull"), "d")])
    register.add([EncodedMark(MarkRecord("b"), "d")])
    register.delete(["c"])
    assert (found("bulldog"), found("bull")) == ([], ["a"])
    register.add([EncodedMark(MarkRecord("c", text="bulldog"), "d")])
    assert found("bull") == ["a", "c"]
