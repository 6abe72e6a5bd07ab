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
ENCODINGS = {
    "csv": ("utf-8", "utf-8-sig", "utf-16", "windows-1252", "iso-8859-1"),
    "jsonl": ("utf-8", "utf-8-sig"),  # the format's own rule
    "parquet": ("utf-8",),
}
CASES = [
    pytest.param(format, container, encoding, id=f"{format}-{container}-{encoding}")
    for format in (*TABLES, *OFFICES)
    for container in CONTAINERS
    for encoding in ENCODINGS.get(format, ENCODINGS["csv"])
]
NAMESPACES = {
    "euipo": 'xmlns="http://euipo.europa.eu/trademark/data"',
    "st66": 'xmlns="http://www.wipo.int/standards/XMLSchema/trademarks"',
    "st96": 'xmlns="http://www.wipo.int/standards/XMLSchema/ST96/Trademark"',
}


def _sayable(marks: Iterable[MarkRecord], encoding: str) -> list[MarkRecord]:
    """The marks with words that the encoding has letters for."""
    if encoding != "iso-8859-1":
        return list(marks)
    return [replace(mark, text=mark.text and mark.text.replace(" – Cœur", "")) for mark in marks]


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


@pytest.fixture
def held(environment: dict[str, str]) -> Callable[[], list[tuple[MarkRecord, str | None]]]:
    """A function → the marks of the register, and their pictures' digests."""

    def marks() -> list[tuple[MarkRecord, str | None]]:
        data = Path(environment["MARKLENS_DATA_DIR"])
        register = Register.open(f"sqlite:///{data / 'register.db'}")
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
    held: Callable[[], list[tuple[MarkRecord, str | None]]],
    tmp_path: Path,
    picture: bytes,
    format: str,
    container: str,
    encoding: str,
) -> None:
    marks = _sayable(MARKS, encoding)
    name = f"marks.{'xml' if format in OFFICES else format}"
    content = _content(marks, format, encoding)
    done = run("index", _pack(tmp_path, name, content, container, picture))
    assert (done.exit_code, done.stdout.splitlines()[:1]) == (
        0,
        ["2 rows read: indexed 2, updated 0, unchanged 0, rejected 0"],
    ), done.stderr
    is_guessed = format in ("csv", "tsv") and not encoding.startswith("utf")
    assert ("is not UTF-8; read as Windows-1252" in done.stderr) == is_guessed
    assert len(done.stderr.splitlines()) == is_guessed
    digests = (hashlib.sha256(picture).hexdigest(), None)
    assert held() == list(zip(_expected(marks, format), digests, strict=True))
