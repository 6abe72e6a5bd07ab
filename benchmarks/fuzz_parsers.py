"""Sources, codes and weights at random: each is read, or refused in words.

Hypothesis damages one real file of each kind that `open_source` knows (bytes changed, put in, taken
out, cut short; packed and not) and writes codes, weights and crops of its own. `benchmarks.fuzz`
runs it.
"""

import gzip
import io
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from indexer.sources import RejectedRow, open_source
from models.errors import MarkLensError
from models.vienna import ViennaCode
from search_api.fields import parse_codes, parse_crop, parse_weights

DATA = Path(__file__).parents[1] / "tests/data"
_NAME, _NUMBER = (
    r"(visual|concept|colour|codes|\w)",
    r"(0|1|[0-9]{0,3}\.[0-9]{1,3}|[0-9]+e-?[0-9]+|NaN)",
)
_ROWS = 200  # of a source that are read
_HOSTILE = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b";", b"\t", b"\r", b"\n\n", b"]]>", b"<![CDATA[",
    b"<!ENTITY a 'b'>", b"&a;", b"</", b"<a>" * 40, b"{", b"[" * 40, b"1e999", b"\\u0000",
    b"PK\x03\x04",
)  # fmt: skip


def fuzz_parsers(cases: int, seed: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Read so many inputs of each kind; what became of them by kind, and what was a failure."""
    results: dict[str, Counter[str]] = {}
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        kinds: dict[str, tuple[st.SearchStrategy[object], Callable[..., str]]] = {
            name: (damaged(content), _reader(Path(folder) / name))
            for name, content in sources().items()
        }
        kinds |= {
            "codes": (_texts(r"[0-9]{1,2}([. -][0-9]{1,2}){0,2}[.]?|[0-9]{4,6}"), _codes),
            "weights": (
                _texts(rf'({_NAME}={_NUMBER},?)+|{{("{_NAME}": {_NUMBER}[,}}])+'),
                _weights,
            ),
            "crop": (_texts(r"(-?[0-9]{1,5},){3}[0-9]{1,5}"), _crop),
        }
        for kind, (inputs, read) in kinds.items():
            results[kind] = _ask(kind, inputs, read, cases, seed, faults)
    return results, faults


def sources() -> Mapping[str, bytes]:
    """A real file of each kind, by a name of that kind."""
    named = {
        "excel.csv": "cases/excel.csv",
        "old.csv": "cases/cp1251.csv",
        "vienna.csv": "cases/vienna.csv",
        "marks.jsonl": "cases/num.jsonl",
        "marks.parquet": "cases/num.parquet",
        "marks.xlsx": "cases/marks.xlsx",
        "st66.xml": "st66.xml",
        "st96.xml": "st96.xml",
        "us.xml": "cases/us-st96.xml",
        "uspto.xml": "uspto.xml",
        "euipo.xml": "euipo/018222197.xml",
    }
    found = {name: (DATA / file).read_bytes() for name, file in named.items()}
    found["marks.csv.gz"] = gzip.compress(found["excel.csv"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.xml", found["euipo.xml"])
        archive.writestr("two.xml", found["st66.xml"])
    found["delivery.zip"] = packed.getvalue()
    return found


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """A file with some of its bytes changed, taken out or followed by others, perhaps cut short."""
    place = st.integers(0, len(content))
    edit = st.tuples(place, st.integers(0, 40), st.sampled_from(_HOSTILE) | st.binary(max_size=8))

    def apply(edits: list[tuple[int, int, bytes]], end: int) -> bytes:
        result = content
        for at, gone, put in edits:
            result = result[:at] + put + result[at + gone :]
        return result[:end]

    whole = st.just(10 * len(content))
    return st.builds(apply, st.lists(edit, max_size=4), whole | whole | place)


def _texts(likely: str) -> st.SearchStrategy[str]:
    """Texts that match an expression, parts of such texts put together, and any other ones."""
    right = st.from_regex(likely, fullmatch=True)
    mixed = st.lists(right | st.text(max_size=3), max_size=4).map("".join)
    return right | mixed | st.text(max_size=40)


def _reader(path: Path) -> Callable[[bytes], str]:
    def read(content: bytes) -> str:
        path.write_bytes(content)
        rows = list(islice(open_source(path), _ROWS))
        read = sum(not isinstance(row, RejectedRow) for row in rows)
        return "all rows read" if read == len(rows) > 0 else "some read" if read else "none read"

    return read


def _codes(text: str) -> str:
    for code in (ViennaCode.parse(text), *parse_codes("vienna", [text])):
        if ViennaCode.parse(str(code)) != code:
            raise AssertionError(f"{code} is read as another code")
    return "read"


def _weights(text: str) -> str:
    if not all(weight >= 0 for weight in parse_weights(text).values()):
        raise AssertionError("a weight below 0")
    return "read"


def _crop(text: str) -> str:
    parse_crop(text)
    return "read"


def _ask(
    kind: str,
    inputs: st.SearchStrategy[object],
    read: Callable[..., str],
    cases: int,
    seed: int,
    faults: list[str],
) -> Counter[str]:
    results: Counter[str] = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(inputs)
    def ask(given: object) -> None:
        try:
            results[read(given)] += 1
        except MarkLensError:
            results["refused"] += 1
        except Exception as error:  # noqa: BLE001 - any other is what is looked for
            results["FAILED"] += 1
            faults.append(f"{kind}: {type(error).__name__}: {error}: {given!r:.300}")

    ask()
    return results
