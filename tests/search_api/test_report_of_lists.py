"""Reports of lists: marks by their words and data, without a picture."""

from dataclasses import replace
from datetime import date

import pypdfium2

from marklens import Filter, MarkLens, ReportRequest, SearchRequest, make_report, report_bytes
from models.vienna import ViennaCode

DAY = date(2026, 11, 29)


def text_of(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    return " ".join(" ".join(pages).split())


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


def test_a_list_without_marks_says_nothing_of_chance(marklens: MarkLens) -> None:
    none = SearchRequest(filter=Filter(office=frozenset({"nowhere"})))
    assert make_report(marklens, ReportRequest(none)).fact("Better than chance") == ""
