"""Reports of shortlists, and of lists: marks by their words and data, without a picture."""

import csv
import io
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pypdfium2
import pytest

from indexer.errors import UnknownMark
from marklens import Filter, MarkLens, ReportRequest, SearchRequest, make_report, report_bytes
from models.vienna import ViennaCode
from search_api.report import contents, reported_marks

DAY = date(2026, 11, 29)


def text_of(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    return " ".join(" ".join(pages).split())


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_each_shortlisted_mark_without_place_says_why(marklens: MarkLens, tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("id,words,office\nWORDS-1,BARE,EM\n")
    marklens.ingest(tmp_path / "words.csv")
    try:
        search = SearchRequest(mark_id="M-2", filter=Filter(office=frozenset({"EM"})))
        shortlist = ("M-3", "M-4", "WORDS-1", "M-2")
        report = make_report(marklens, ReportRequest(search, shortlist, day=DAY))
    finally:
        marklens.delete("WORDS-1")
    why = {
        "M-4": "",
        "M-3": "left out by the filters",
        "WORDS-1": "no picture to compare",
        "M-2": "the mark searched with",
    }
    assert {one.mark.record.id: one.unplaced for one in report.marks} == why
    assert [one.rank is None for one in report.marks] == [False, True, True, True]
    text = text_of(report_bytes(report, "pdf"))
    assert all(one in text for one in why.values())
    assert "not among" not in text
    rows = rows_of(report_bytes(report, "csv"))
    assert {row["id"]: row["unplaced"] for row in rows} == why
    sheet = openpyxl.load_workbook(io.BytesIO(report_bytes(report, "xlsx")))["Marks"]
    assert {row[2].value or "" for row in sheet.iter_rows(min_row=2)} == set(why.values())


def test_a_shortlisted_mark_beyond_the_last_place_has_its_score(
    marklens: MarkLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = SearchRequest(mark_id="M-2")
    every = marklens.search(replace(asked, k=11)).hits
    plain = {hit.id: hit.score for hit in marklens.search(replace(asked, k=11, rerank=0)).hits}
    monkeypatch.setattr(contents, "MAX_K", 5)
    monkeypatch.setattr(reported_marks, "MAX_K", 5)
    wanted = (every[9].id, every[7].id, every[1].id)
    report = make_report(marklens, ReportRequest(asked, shortlist=wanted))
    beyond = sorted((every[7].id, every[9].id), key=lambda one: -(plain[one] or 0))
    assert [(one.mark.record.id, one.rank, one.hit and one.hit.score) for one in report.marks] == [
        (every[1].id, 2, every[1].score),
        *((one, None, plain[one]) for one in beyond),  # not ranked again
    ]
    assert {row["unplaced"] for row in rows_of(report_bytes(report, "csv"))} == {
        "",
        "after place 5",
    }
    assert "> 1,000" in text_of(report_bytes(report, "pdf"))


def test_a_listing_without_picture_is_reported_too(marklens: MarkLens) -> None:
    search = SearchRequest(filter=Filter(vienna_any=(ViennaCode.parse("05"),)))
    report = make_report(marklens, ReportRequest(search, day=DAY))
    text = text_of(report_bytes(report, "pdf"))
    assert "no picture: marks by their words and data" in text
    assert "6 of 12 pass and were listed" in text
    assert "the register's database, by id" in text
    assert "not among" not in text
    assert "A score is" not in text


def test_a_further_page_of_a_list_has_no_places(marklens: MarkLens) -> None:
    first = SearchRequest(filter=Filter(office=frozenset({"EM"})), k=2)
    after = replace(first, after=marklens.search(first).next)
    report = make_report(marklens, ReportRequest(after, day=DAY))
    assert [(one.mark.record.id, one.rank) for one in report.marks] == [
        ("M-2", None),
        ("M-4", None),
    ]
    assert report.fact("Reported") == "2 of a further page"
    assert "1,000" not in text_of(report_bytes(report, "pdf"))


def test_a_shortlisted_mark_that_a_list_leaves_out_says_so(marklens: MarkLens) -> None:
    listed = SearchRequest(filter=Filter(office=frozenset({"EM"})))
    report = make_report(marklens, ReportRequest(listed, shortlist=("M-3", "M-4"), day=DAY))
    assert [(one.mark.record.id, one.rank, one.unplaced) for one in report.marks] == [
        ("M-4", 4, ""),
        ("M-3", None, "left out by the filters"),
    ]


def test_a_shortlisted_mark_beyond_the_first_of_a_list_says_so(
    marklens: MarkLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MAX_K", 2)
    monkeypatch.setattr(reported_marks, "MAX_K", 2)
    listed = SearchRequest(filter=Filter(office=frozenset({"EM"})))
    report = make_report(marklens, ReportRequest(listed, shortlist=("M-4", "M-3"), day=DAY))
    assert [(one.mark.record.id, one.unplaced) for one in report.marks] == [
        ("M-4", "after place 2"),
        ("M-3", "left out by the filters"),
    ]


def test_a_report_speaks_the_language_that_is_asked_for(client: httpx.Client) -> None:
    form: dict[str, Any] = {"mark_id": "M-2", "nice": "9", "shortlist": ["M-3", "M-4"]}
    form |= {"date": "2026-11-29", "language": "fr"}

    def written(kind: str) -> bytes:
        answer = client.post("/api/v1/search/report", data={**form, "format": kind})
        assert answer.status_code == 200, answer.text
        return answer.content

    pdf = written("pdf")
    text = text_of(pdf)
    for said in (
        "Rapport de recherche de marques",
        "29 novembre 2026",
        "Filtres Classes de Nice au choix : 9",
        "4 sur 12 passent les filtres",
        "écartée par les filtres",
        "Statut enregistrée",
        "Page 1 sur 1",
        "Un score est la moyenne",
    ):
        assert said in text, said
    assert b"/Lang (fr)" in pdf
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx")))
    assert book.sheetnames == ["Rechercher", "Marques"]
    assert [cell.value for cell in book["Marques"][1]][:4] == [
        "Image",
        "Rang",
        "Sans rang",
        "Score",
    ]
    assert book["Rechercher"]["A3"].value == "Date"
    row = rows_of(written("csv"))[-1]  # programs read its columns
    assert (row["id"], row["unplaced"]) == ("M-4", "écartée par les filtres")
    refused = client.post("/api/v1/search/report", data={**form, "language": "xx"})
    assert "language" in refused.json()["detail"]


def test_a_mark_withdrawn_since_is_reported_as_such_with_its_note(
    marklens: MarkLens, tmp_path: Path
) -> None:
    (tmp_path / "words.csv").write_text("id,text\nGONE-1,VANISHED\n")
    marklens.ingest(tmp_path / "words.csv")
    marklens.delete("GONE-1")
    notes = {"GONE-1": "Was ours."}
    asked = ReportRequest(SearchRequest(mark_id="M-2"), ("GONE-1", "M-4"), notes, DAY)
    report = make_report(marklens, asked)
    text = text_of(report_bytes(report, "pdf"))
    for said in ("GONE-1", "withdrawn from the register", "Was ours."):
        assert said in text, said
    last = rows_of(report_bytes(report, "csv"))[-1]
    assert (last["id"], last["unplaced"]) == ("GONE-1", "withdrawn from the register")
    with pytest.raises(UnknownMark):
        make_report(marklens, replace(asked, shortlist=("NEVER-1",), notes={}))


def test_a_list_without_marks_says_nothing_of_chance(marklens: MarkLens) -> None:
    none = SearchRequest(filter=Filter(office=frozenset({"nowhere"})))
    assert make_report(marklens, ReportRequest(none)).fact("Better than chance") == ""
