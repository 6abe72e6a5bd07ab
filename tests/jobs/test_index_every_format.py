"""`marklens index` of the same two marks in every format, container and encoding.

No office publishes the same marks in all of these. The XML is built from the elements that the
files in tests/data have: the EUIPO's are real, the others follow the published standards.
"""

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from indexer.register import Register
from models.vienna import ViennaCode

Draw = Callable[..., Image.Image]
Run = Callable[..., Any]
Held = Callable[[str], list[tuple[MarkRecord, str | None]]]

# All that the poorest of the formats can say: the USPTO's has whole categories of Vienna only.
MARKS = (
    MarkRecord(
        id="US-90000001",
        text="Löwe & Söhne – Cœur",
        owner="Müller, Groß & Cie; Lyon",
        office="US",
        status="registered",
        filed=date(2020, 6, 15),
        registered=date(2021, 7, 20),
        nice=(9, 25),
        vienna=(ViennaCode(2), ViennaCode(26)),
        us_design=("02.11.01", "26.01.21"),
        image_name="90000001.jpg",
    ),
    MarkRecord(
        id="US-90000002",
        text="PLAIN WORDS",
        office="US",
        status="abandoned",
        filed=date(2020, 6, 16),
    ),
)
PICTURE = "90000001.jpg"
TABLES = ("csv", "tsv", "jsonl", "parquet")
OFFICES = ("euipo", "st66", "st96", "uspto")
CONTAINERS = ("bare", "gz", "zip")
# What a format has no place for.
LACKING = {"euipo": ("owner", "us_design"), "st66": ("us_design",), "st96": ("us_design",)}
_SPREADSHEETS = ("utf-8", "utf-8-sig", "utf-16", "windows-1252", "iso-8859-1")
ENCODINGS = {
    "csv": _SPREADSHEETS,
    "tsv": _SPREADSHEETS,
    "jsonl": ("utf-8", "utf-8-sig"),  # the format's own rule
    "parquet": ("utf-8",),
}
DECLARED = (*_SPREADSHEETS, "shift_jis", "gb18030")  # XML says which it is
# Words for which an encoding has letters, where it has none for those above.
SAYABLE = {
    "iso-8859-1": ("Löwe & Söhne", "Müller, Groß & Cie; Lyon"),
    "shift_jis": ("獅子 & ライオン", "株式会社"),
}
CASES = [
    pytest.param(format, container, encoding, id=f"{format}-{container}-{encoding}")
    for format in (*TABLES, *OFFICES)
    for container in CONTAINERS
    for encoding in ENCODINGS.get(format, DECLARED)
]
NAMESPACES = {
    "euipo": 'xmlns="http://euipo.europa.eu/trademark/data"',
    "st66": 'xmlns="http://www.wipo.int/standards/XMLSchema/trademarks"',
    "st96": 'xmlns="http://www.wipo.int/standards/XMLSchema/ST96/Trademark"',
}


def _sayable(encoding: str) -> list[MarkRecord]:
    """The marks with words that the encoding has letters for."""
    first, *others = MARKS
    text, owner = SAYABLE.get(encoding, (first.text, first.owner))
    return [replace(first, text=text, owner=owner), *others]


def _expected(marks: Iterable[MarkRecord], format: str) -> list[MarkRecord]:
    nothing = asdict(MarkRecord(id="nothing"))
    lacking = {name: nothing[name] for name in LACKING.get(format, ())}
    return [replace(mark, **lacking) for mark in marks]


def _rows(marks: Iterable[MarkRecord]) -> list[dict[str, Any]]:
    """The marks as rows of a table, lists as lists and days as days."""
    names = ("id", "text", "owner", "office", "status", "filed", "registered")
    return [
        {name: getattr(mark, name) for name in names}
        | {"image": mark.image_name, "nice": list(mark.nice), "us_design": list(mark.us_design)}
        | {"vienna": [str(code) for code in mark.vienna]}
        for mark in marks
    ]


def _csv(marks: Iterable[MarkRecord], delimiter: str) -> str:
    rows = _rows(marks)
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        lists = {name: ";".join(map(str, row[name])) for name in ("nice", "us_design", "vienna")}
        writer.writerow(row | lists)
    return table.getvalue()


def _jsonl(marks: Iterable[MarkRecord]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in _rows(marks))


def _parquet(marks: Iterable[MarkRecord]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_rows(marks)), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _tag(names: str, *content: object) -> str:
    """Elements within each other, `a/b/c`, around some content; none where there is none."""
    inner = "".join(str(one) for one in content if one is not None)
    for name in reversed(names.split("/") if inner else []):
        inner = f"<{name}>{inner}</{name}>"
    return inner


def _words(text: str | None) -> str | None:
    return text and text.replace("&", "&amp;")


def _st66(mark: MarkRecord, format: str) -> str:
    owner = "ApplicantDetails/Applicant/ApplicantAddressBook/FormattedNameAddress/Name"
    codes = "MarkImageCategory/CategoryCodeDetails"
    classes = "GoodsServicesDetails/GoodsServices/ClassDescriptionDetails"
    return _tag(
        "TradeMark",
        _tag("RegistrationOfficeCode", mark.office),
        _tag("ApplicationNumber", mark.id.removeprefix("US-")),
        _tag("ApplicationDate", mark.filed),
        _tag("RegistrationDate", mark.registered),
        _tag("MarkCurrentStatusCode", mark.status),
        _tag("WordMarkSpecification/MarkVerbalElementText", _words(mark.text)),
        _tag(
            "MarkImageDetails/MarkImage",
            _tag("MarkImageURI" if format == "euipo" else "MarkImageFilename", mark.image_name),
            _tag(codes, *(_tag("CategoryCode", code) for code in mark.vienna)),
        ),
        _tag(classes, *(_tag("ClassDescription/ClassNumber", number) for number in mark.nice)),
        # The EUIPO names parties by number only.
        _tag(f"{owner}/FormattedName/OrganizationName", _words(mark.owner))
        if format != "euipo"
        else None,
    )


def _st96(mark: MarkRecord) -> str:
    codes = "MarkImageClassification/FigurativeElementClassificationBag/ViennaClassificationBag"
    return _tag(
        "Trademark",
        _tag("RegistrationOfficeCode", mark.office),
        _tag("ApplicationNumber/ApplicationNumberText", mark.id.removeprefix("US-")),
        _tag("ApplicationDate", mark.filed),
        _tag("RegistrationDate", mark.registered),
        _tag("MarkCurrentStatusCode", mark.status),
        _tag(
            "MarkRepresentation/MarkReproduction",
            _tag("WordMarkSpecification/MarkVerbalElementText", _words(mark.text)),
            _tag(
                "MarkImageBag/MarkImage",
                _tag("FileName", mark.image_name),
                _tag(codes, *(_tag("ViennaClassification/ViennaCategory", c) for c in mark.vienna)),
            ),
        ),
        _tag(
            "GoodsServicesBag/GoodsServices/ClassDescriptionBag",
            *(_tag("ClassDescription/ClassNumber", number) for number in mark.nice),
        ),
        _tag(
            "ApplicantBag/Applicant/Contact/Name/OrganizationName/OrganizationStandardName",
            _words(mark.owner),
        ),
    )


def _uspto(mark: MarkRecord) -> str:
    def day(value: date | None) -> str | None:
        return value and value.strftime("%Y%m%d")

    return _tag(
        "case-file",
        _tag("serial-number", mark.id.removeprefix("US-")),
        _tag(
            "case-file-header",
            _tag("filing-date", day(mark.filed)),
            _tag("registration-date", day(mark.registered)),
            _tag("status-code", 700 if mark.status == "registered" else 602),
            _tag("mark-identification", _words(mark.text)),
            _tag("mark-drawing-code", 3000 if mark.image_name else 4000),
        ),
        _tag(
            "classifications",
            *(_tag("classification/international-code", f"{n:03}") for n in mark.nice),
        ),
        _tag("case-file-owners/case-file-owner/party-name", _words(mark.owner)),
        _tag(
            "design-searches",
            *(_tag("design-search/code", code.replace(".", "")) for code in mark.us_design),
        ),
    )


def _xml(marks: Iterable[MarkRecord], format: str, encoding: str) -> str:
    if format == "uspto":
        root, inside = "trademark-applications-daily", "application-information/file-segments"
        records = [_uspto(mark) for mark in marks]
    elif format == "st96":
        root, inside = "TrademarkTransaction", "TrademarkTransactionBody/TrademarkBag"
        records = [_st96(mark) for mark in marks]
    else:
        root, inside = "Transaction", "TradeMarkTransactionBody/TradeMarkDetails"
        records = [_st66(mark, format) for mark in marks]
    opening = f"{root} {NAMESPACES.get(format, '')}".strip()
    declared = encoding.removesuffix("-sig")
    return (
        f'<?xml version="1.0" encoding="{declared}"?>\n'
        f"<{opening}>{_tag(inside, *records)}</{root}>\n"
    )


def _content(marks: Iterable[MarkRecord], format: str, encoding: str) -> bytes:
    if format == "parquet":
        return _parquet(marks)
    if format in OFFICES:
        return _xml(marks, format, encoding).encode(encoding)
    if format == "jsonl":
        return _jsonl(marks).encode(encoding)
    return _csv(marks, "\t" if format == "tsv" else ",").encode(encoding)


def _pack(folder: Path, name: str, content: bytes, container: str, picture: bytes) -> Path:
    """Lay the file and its picture down: beside each other, or both in one zip file."""
    path = folder / (name if container == "bare" else f"{name}.{container}")
    if container == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
            archive.writestr(PICTURE, picture)
        return path
    path.write_bytes(content if container == "bare" else gzip.compress(content))
    (folder / PICTURE).write_bytes(picture)
    return path


def _warnings(stderr: str) -> list[str]:
    """What is told, without the progress that a slow machine tells too."""
    return [line for line in stderr.splitlines() if not line.startswith("marklens: indexing ")]


@pytest.fixture
def held(tmp_path: Path) -> Held:
    """A function (data folder) → the marks of its register, and their pictures' digests."""

    def marks(folder: str) -> list[tuple[MarkRecord, str | None]]:
        register = Register.open(f"sqlite:///{tmp_path / folder / 'register.db'}")
        found = [(mark.record, mark.image_digest) for mark in register.every_mark()]
        register.close()
        return found

    return marks


@pytest.fixture(scope="session")
def picture(draw_mark: Draw) -> bytes:
    file = io.BytesIO()
    draw_mark(1, 48).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(("format", "container", "encoding"), CASES)
def test_the_register_holds_the_same_marks_whatever_they_were_read_from(
    run: Run,
    held: Held,
    tmp_path: Path,
    picture: bytes,
    format: str,
    container: str,
    encoding: str,
) -> None:
    marks = _sayable(encoding)
    name = f"marks.{'xml' if format in OFFICES else format}"
    content = _content(marks, format, encoding)
    done = run("index", _pack(tmp_path, name, content, container, picture))
    assert (done.exit_code, done.stdout.splitlines()[:1]) == (
        0,
        ["2 rows read: indexed 2, updated 0, unchanged 0, rejected 0"],
    ), done.stderr
    is_guessed = format in ("csv", "tsv") and not encoding.startswith("utf")
    told = [line.partition(" is ")[2] for line in _warnings(done.stderr)]
    assert told == (["not UTF-8; read as Windows-1252"] if is_guessed else [])
    digests = (hashlib.sha256(picture).hexdigest(), None)
    assert held("data") == list(zip(_expected(marks, format), digests, strict=True))


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_exported_register_whose_marks_are_all_withdrawn_is_read_back(
    run: Run, held: Held, tmp_path: Path, format: str
) -> None:
    table = tmp_path / "marks.csv"
    table.write_text("id,text,operation\n1,lion,insert\n")
    assert run("index", table).exit_code == 0
    table.write_text("id,text,operation\n1,lion,delete\n")
    assert run("index", table).exit_code == 0
    file = tmp_path / f"all.{format}"
    assert run("export", file).exit_code == 0
    done = run("--data-dir", tmp_path / "again", "index", file)
    assert (done.exit_code, done.stdout) == (
        0,
        "0 rows read: indexed 0, updated 0, unchanged 0, rejected 0\n",
    ), done.stderr
    said = ["marklens: all.jsonl is empty: it holds no marks"] if format == "jsonl" else []
    assert _warnings(done.stderr) == said
    assert held("again") == []
