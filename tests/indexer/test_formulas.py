"""No file that people open in a spreadsheet holds a formula; the lossless ones stay as they are."""

import csv
from pathlib import Path
from typing import Any

import pytest

from indexer.export import export
from indexer.formulas import neutralised
from models.errors import MarkLensError

FORMULA = '=HYPERLINK("http://x","y")'


@pytest.mark.parametrize("begin", list("=+-@\t\r\n＝＋－＠"))
def test_what_would_be_a_formula_becomes_a_text(begin: str) -> None:
    assert neutralised(f"{begin}1+1") == f"'{begin}1+1"
    assert neutralised(f"'{begin}1+1") == f"'{begin}1+1"
    assert neutralised("A=B") == "A=B"


def test_rejects_hold_no_formula(office: Any) -> None:
    office.table(["=1+1,+2.png", "@SUM(A1),-3.png"])  # cells are missing
    report = office.ingest()
    assert report.rejected == 2
    first, second = office.rejects(report)
    assert (first["id"], first["image"]) == ("'=1+1", "'+2.png")
    assert (second["id"], second["image"]) == ("'@SUM(A1)", "'-3.png")


def test_an_export_for_spreadsheets_is_marked_as_utf_8_and_holds_no_formula(
    office: Any, mark: Any, tmp_path: Path
) -> None:
    office.register.rebind_fingerprint("f", 16)
    office.register.add([mark("m1", 1, text=FORMULA, owner="+49 Müller", status="@x")])
    plain, shown = tmp_path / "plain.csv", tmp_path / "shown.csv"
    export(office.register, office.images, plain)
    export(office.register, office.images, shown, for_spreadsheets=True)
    assert not plain.read_bytes().startswith(b"\xef\xbb\xbf")
    with plain.open(encoding="utf-8", newline="") as file:
        (lossless,) = csv.DictReader(file)
    assert (lossless["text"], lossless["owner"]) == (FORMULA, "+49 Müller")
    assert shown.read_bytes().startswith(b"\xef\xbb\xbf")
    with shown.open(encoding="utf-8-sig", newline="") as file:
        (cells,) = csv.DictReader(file)
    assert cells["text"] == f"'{FORMULA}"
    assert cells["owner"] == "'+49 Müller"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells.values())
    with pytest.raises(MarkLensError, match=r"for spreadsheets is a \.csv"):
        export(office.register, office.images, tmp_path / "a.jsonl", for_spreadsheets=True)
