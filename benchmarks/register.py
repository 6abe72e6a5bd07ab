"""What the register answers in SQL, and what writing and following take, by the number of marks.

``python -m benchmarks.register --marks N --work FOLDER`` writes the invented marks that are missing
into FOLDER/register.db, or with ``--database postgresql://…`` into that database, and prints

- marks written a second;
- milliseconds of the 50 hits of a search, between sweeps through memory as a search makes them; of
  marks found by words: whole, misspelt, by sound, by beginning; of lists, counts and facets;
- what a process that follows reads a second at its start, and its bytes a mark at the peak; and of
  the newest marks alone, as when it catches up with a bulk run;
- what `marklens verify` takes, with files and a snapshot that it makes in FOLDER;
- bytes of each table and index, and seconds of vacuum.

The median and 95th percentile are by the clock; CPU is the mean of this process and the database
server together, which is seen where the server runs on this machine. Stopped, it goes on where it
was. ``--pictures M`` gives only the first M marks vectors and places, most of the room.
``--copies N`` fills a PostgreSQL register up to N marks with copies (`benchmarks.register_copies`).
"""

import argparse
import hashlib
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from benchmarks.invented_marks import (
    DIMENSION,
    FINGERPRINT,
    invented,
    picture,
    sections,
    word,
)
from benchmarks.register_copies import fill
from benchmarks.search_process import memory_mb, percentiles
from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.pages import WORDS_ORDER, Page
from indexer.query import Filter
from indexer.register import Register
from indexer.register.database import MIGRATION, create_engine, parse_url, sqlite_url
from indexer.verify import Findings, Place, verify
from models.errors import MarkLensError
from models.vienna import ViennaCode

_BATCH = 4_000  # marks a transaction
_SWEPT = np.ones(60_000_000, np.uint8)  # more than any processor's cache
_TWENTY = Page(20, order=WORDS_ORDER)
_SOUNDS = ("ph", "f"), ("c", "k"), ("y", "i"), ("z", "s"), ("x", "ks"), ("qu", "kw")
STEPS = ("write", "words", "lists", "follow", "catch-up", "verify", "room", "vacuum")
_ASKED = 40  # questions of a kind
_COMMON = (0.5, 0.9, 0.97, 1.0)  # places of sections in the order of their frequency
_NEWEST = 24_000  # marks
Ask = Callable[[], object]


class Clock:
    """Time by the clock and on processors, of this process and the database's server."""

    def __init__(self, engine: sa.Engine) -> None:
        self._connection = engine.connect()
        self._is_server = engine.dialect.name == "postgresql"
        self._servers: dict[int, int] = {}  # process → ns, also of those that ended

    def cpu_s(self) -> float:
        """Processor time of this process, and of the server's processes while they were seen."""
        if self._is_server:
            found = self._connection.execute(
                sa.text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            )
            for (pid,) in found.all():
                with suppress(FileNotFoundError):
                    self._servers[pid] = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
            self._connection.rollback()
        return time.process_time() + sum(self._servers.values()) / 1e9

    @contextmanager
    def measured(self, name: str, many: int = 1) -> Iterator[None]:
        """Print how many a second, by the clock and by processor time, or that no answer came."""
        cpu, started = self.cpu_s(), time.perf_counter()
        try:
            yield
        except MarkLensError as error:
            print(
                f"{name}: no answer in {time.perf_counter() - started:.0f} s: {error}", flush=True
            )
            return
        wall, cpu = time.perf_counter() - started, self.cpu_s() - cpu
        rates = f"; {many / wall:,.0f} a second, {many / cpu:,.0f} by CPU" if many > 1 else ""
        print(f"{name}: {wall:.2f} s, CPU {cpu:.2f} s{rates}", flush=True)

    def timed(self, name: str, questions: Sequence[Ask], sweep: bool = False) -> None:
        """Print the milliseconds of some questions, and of the first before them."""
        started = time.perf_counter()
        try:
            questions[0]()
        except MarkLensError as error:
            print(f"{name}: no answer: {error}", flush=True)
            return
        first = 1e3 * (time.perf_counter() - started)
        spent, swept, cpu = [], 0.0, self.cpu_s()
        for ask in questions:
            if sweep:
                began = time.process_time()
                _SWEPT.sum()
                swept += time.process_time() - began
            started = time.perf_counter()
            ask()
            spent.append(1e3 * (time.perf_counter() - started))
        cpu = 1e3 * (self.cpu_s() - cpu - swept) / len(spent)
        print(f"{name}: {percentiles(spent)} ms, CPU {cpu:.2f}, first {first:.1f}", flush=True)


def texts(draw: random.Random) -> Iterator[tuple[str, str]]:
    """Kinds of texts and one of each, of words that names are made of."""
    one, two, three = (word(draw) for _ in range(3))
    longer = max(one, two, three, key=len)
    at = draw.randrange(1, len(longer))
    heard = longer
    for written, other in _SOUNDS:
        heard = heard.replace(written, other)
    yield "one word", one
    yield "two words", f"{one} {two}"
    yield "three words", f"{one} {two} {three}"
    yield "three, misspelt", f"{one[:-1]} {two[:1] + two[2:]} {three}"
    yield "misspelt", longer[: at - 1] + longer[at:]
    yield "by its sound", heard
    yield "beginning", longer[:4]
    yield "two letters", longer[:2]
    yield "other script", longer.translate(str.maketrans("abdegiklmnoprstuz", "абдегиклмнопрстуз"))


def ask_words(clock: Clock, register: Register) -> None:
    """How long marks with words like a text take."""
    draw, kinds = random.Random(11), dict[str, list[str]]()
    for _ in range(_ASKED):
        for kind, text in texts(draw):
            kinds.setdefault(kind, []).append(text)
    for kind, asked in kinds.items():
        clock.timed(kind, [_by_words(register, Filter(text=text)) for text in asked])
    narrow = [Filter(text=text, nice=frozenset({9})) for text in kinds["two words"]]
    clock.timed("two words, one class", [_by_words(register, one) for one in narrow])


def _by_words(register: Register, wanted: Filter) -> Ask:
    return lambda: register.find_words(wanted, _TWENTY)


def ask_lists(clock: Clock, register: Register, marks: int) -> None:
    """How long hits, lists and counts take."""
    rng = np.random.default_rng(3)
    numbers = [(1 + rng.integers(0, marks, 50)).tolist() for _ in range(60)]
    hits: list[Ask] = [lambda some=some: register.marks_numbered(some) for some in numbers]  # type: ignore[misc]
    clock.timed("50 hits", hits, sweep=True)
    narrow = Filter(nice=frozenset({9}), status=frozenset({"expired"}))
    middle = f"EM-{marks // 2:09d}"
    borne = _some_sections(register)
    for name, wanted, page in (
        ("first page", Filter(), Page(50)),
        ("page in the middle", Filter(), Page(50, after=(None, middle))),
        ("page by date", Filter(), Page(50, order="-filed", after=("2010-01-01", middle))),
        ("page of a category", Filter(vienna_any=(ViennaCode(3),)), Page(50)),
        ("page of a division", Filter(vienna_any=(ViennaCode(3, 7),)), Page(50)),
        *((f"page of {name}", Filter(vienna_any=(code,)), Page(50)) for name, code in borne),
        ("page of a class and status", narrow, Page(50, order="-filed")),
        ("page of a part of an owner", Filter(owner="rock"), Page(50)),
        ("page of an unknown owner", Filter(owner="xqzvw"), Page(50)),
        ("page of a part of a number", Filter(number="12345"), Page(50)),
    ):
        clock.timed(name, [lambda w=wanted, p=page: register.find(w, p)] * 10)  # type: ignore[misc]
    clock.timed("words that hold 'rock'", [lambda: register.numbers_with_text("rock")] * 5)
    clock.timed("words that hold 'ro'", [lambda: register.numbers_with_text("ro")])
    with clock.measured("facets"):
        register.facets()
    with clock.measured("counts of codes"):
        register.code_counts("either")


def _some_sections(register: Register) -> Iterator[tuple[str, ViennaCode]]:
    """The rarest section that a mark bears, and commoner ones, each with its share of the marks."""
    found, shares, mean = sections()
    rising = np.argsort(shares, kind="stable")
    by_share = [(mean * shares[at], found[at]) for at in rising if found[at].section]
    borne = (one for one in by_share if register.find(Filter(vienna_any=(one[1],)), Page(1))[0])
    chosen = [
        next(borne, by_share[0]),
        *(by_share[round(at * (len(by_share) - 1))] for at in _COMMON),
    ]
    for share, code in chosen:
        yield f"section {code}, drawn for {share:.4%} of the marks", code


def write(clock: Clock, register: Register, marks: int, pictures: int) -> None:
    """Write the marks that are missing."""
    register.bind_fingerprint(FINGERPRINT, DIMENSION)
    first, spent, made = register.sequence(), 0.0, 0.0
    if first >= marks:
        return
    with clock.measured(f"{marks - first:,} marks written", marks - first):
        for at in range(first, marks, _BATCH):
            count = min(_BATCH, marks - at)
            began = time.process_time()
            batch = invented(at, count, pictures=at < pictures)
            made += time.process_time() - began
            started = time.perf_counter()
            register.add(batch)
            spent += time.perf_counter() - started
            if at // _BATCH % 25 == 0:
                print(f"  {at + count:,} marks, {made:.0f} s inventing, {spent:.0f} s writing")
    print(f"{(marks - first) / spent:,.0f} a second without inventing them, CPU {made:.0f} s of it")


def followed(url: str) -> None:
    """Print what reading all marks into memory takes, as a server does at its start."""
    register = Register.open(url, create=False)
    clock = Clock(create_engine(parse_url(url), create=False))
    follower = Follower(register, None, DIMENSION, FINGERPRINT, IndexChoice("cpu"))
    before = memory_mb()["now"]
    with clock.measured("followed", register.count()):
        view = follower.refresh()
    peak = 1e6 * (memory_mb()["peak"] - before) / max(1, follower.status.live)
    print(f"{peak:,.0f} bytes a mark at the peak, {view.total:,} marks with vectors")
    register.close()


def lay_beside(url: str, work: Path) -> None:
    """Make the files that a register has beside it: pictures of a few bytes each, a snapshot."""
    register = Register.open(url, create=False)
    for at in range(register.count()):
        content = picture(at)
        name = hashlib.sha256(content).hexdigest()
        file = work / "images" / name[:2] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    choice = IndexChoice("cpu")
    follower = Follower(register, work / "snapshots", DIMENSION, FINGERPRINT, choice)
    follower.refresh()
    follower.save_snapshot()
    register.close()


def verified(url: str, work: Path) -> None:
    """Print what `marklens verify` takes."""
    clock, findings = Clock(create_engine(parse_url(url), create=False)), Findings()
    place = Place(url, work / "images", work / "snapshots", FINGERPRINT)
    with clock.measured("verified"):
        verify(place, findings, progress=lambda *_: None)
    print(f"{dict(findings.checked)}, found {dict(findings.counts)}, {memory_mb()['peak']} MB")


def caught_up(clock: Clock, register: Register) -> None:
    """Print what taking up the newest marks takes, three times."""
    follower = Follower(register, None, DIMENSION, FINGERPRINT, IndexChoice("cpu"))
    after = max(0, register.sequence() - _NEWEST)
    for _ in range(3):
        with clock.measured("the newest taken up", register.sequence() - after):
            follower._read(after)


def sizes(engine: sa.Engine) -> None:
    """Print the bytes of each table and index."""
    asked = {
        "sqlite": "SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name",
        "postgresql": "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind IN "
        "('r', 'i', 't') AND relnamespace != 'pg_catalog'::regnamespace",
    }
    with engine.connect() as connection:
        found = [(name, size) for name, size in connection.execute(sa.text(asked[engine.name]))]
    for name, size in sorted(found, key=lambda one: -one[1])[:25]:
        print(f"  {name}: {size / 1e6:,.1f} MB")
    print(f"{sum(size for _, size in found) / 1e6:,.0f} MB in all")


def vacuum(clock: Clock, engine: sa.Engine) -> None:
    """Print what vacuum of the largest tables takes."""
    # As a change of the schema, which may take longer than an answer.
    patient = engine.execution_options(transaction=MIGRATION, isolation_level="AUTOCOMMIT")
    with patient.connect() as connection:
        for table in ("marks", "mark_codes", "mark_terms"):
            with clock.measured(f"vacuum of {table}"):
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {table}")


def main() -> None:
    """Write the register, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--marks", type=int, default=200_000)
    parser.add_argument("--pictures", type=int, default=10**9)
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("bench-data"))
    parser.add_argument("--database", help="instead of FOLDER/register.db")
    parser.add_argument("--only", choices=STEPS, nargs="+", default=STEPS)
    options = parser.parse_args()
    url = options.database or sqlite_url(options.work / "register.db")
    register, engine = Register.open(url), create_engine(parse_url(url))
    clock = Clock(engine)
    if "write" in options.only:
        write(clock, register, options.marks, options.pictures)
    if register.sequence() < options.copies:
        fill(engine, options.copies)
    if "words" in options.only:
        ask_words(clock, register)
    if "lists" in options.only:
        ask_lists(clock, register, register.count())
    if "follow" in options.only:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(followed, (url,))
    if "catch-up" in options.only:
        caught_up(clock, register)
    if "verify" in options.only:
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            pool.apply(lay_beside, (url, options.work))
            pool.apply(verified, (url, options.work))
    if "room" in options.only:
        sizes(engine)
    if "vacuum" in options.only and engine.name == "postgresql":
        vacuum(clock, engine)
    register.close()


if __name__ == "__main__":
    main()
