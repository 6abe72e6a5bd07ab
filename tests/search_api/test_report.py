"""Reports of searches over real HTTP and by the Python API, read back with other libraries."""

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pypdfium2
import pytest
from PIL import Image

from indexer.errors import BadQuery, UnknownMark
from indexer.marks import MarkRecord
from marklens import MarkLens, ReportRequest, SearchRequest, make_report, report_bytes
from models.vienna import ViennaCode

DAY = date(2026, 11, 29)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
URL = "/api/v1/search/report"
Draw = Callable[..., Image.Image]


def text_of(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return " ".join(" ".join(page_texts(document)).split())


def page_texts(document: pypdfium2.PdfDocument) -> list[str]:
    return [page.get_textpage().get_text_range() for page in document]


def pictures_in(pdf: bytes) -> int:
    with pypdfium2.PdfDocument(pdf) as document:
        return sum(one.type == 3 for page in document for one in page.get_objects())


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def odd(
    marklens: MarkLens, draw_mark: Draw, as_png: Callable[[Image.Image], bytes]
) -> Callable[..., None]:
    """A function that registers mark ODD with some data, over whatever it said before."""

    def add(**data: Any) -> None:
        marklens.add(MarkRecord(id="ODD", **data), as_png(draw_mark(40)))

    yield add
    if "ODD" in marklens.register.marks(["ODD"]):
        marklens.delete("ODD")


def test_a_pdf_says_what_was_searched_and_shows_each_mark(
    client: httpx.Client, draw_mark: Draw, as_png: Callable[[Image.Image], bytes]
) -> None:
    form = {
        "k": "3",
        "vienna_any": "03.01",
        "filed_from": "2011-01-01",
        "weights": "visual=1,concept=.25",
        "crop": "0,0,90,80",
        "notes": '{"M-4": "Same device; see our letter."}',
        "date": "2026-11-29",
    }
    files = {"image": ("lion.png", as_png(draw_mark(4)), "image/png")}
    answer = client.post(URL, data=form, files=files)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert 'filename="marklens-2026-11-29.pdf"' in answer.headers["content-disposition"]
    text = text_of(answer.content)
    for said in (
        "29 November 2026",
        "lion.png, 96 × 96 pixels, SHA-256",
        "0, 0, 90, 80",
        "visual 1, concept 0.25, colour 0.25",
        "Vienna codes any of 03.01; Filed from 2011-01-01",
        "Same device; see our letter.",
        "Page 1 of 2",
    ):
        assert said in text, said
    searched = client.post("/api/v1/search", data=form | {"notes": ""}, files=files)
    assert searched.status_code == 422  # a search has no notes
    plain = {name: value for name, value in form.items() if name not in ("notes", "date")}
    found = client.post("/api/v1/search", data=plain, files=files).json()
    plan = found["plan"]
    assert f"{plan['matched']} of 12 pass and were compared" in text
    assert f"change {plan['sequence']}" in text
    for hit in found["hits"]:
        assert hit["text"] in text
        assert f"{max(0, hit['score']):.3f}" in text
    assert pictures_in(answer.content) == 1 + len(found["hits"])


@pytest.mark.parametrize(
    ("name", "said"),
    [("Bildschirmfoto 9.41\u202fAM.png", "Bildschirmfoto 9.41 AM.png,"), ("a\x00b", "lion.png,")],
)
def test_a_name_with_narrow_blanks_is_said_and_one_that_cannot_be_shown_is_not(
    client: httpx.Client, draw_mark: Draw, as_png: Callable[[Image.Image], bytes],
    name: str, said: str,
) -> None:  # fmt: skip
    files = {"image": ("lion.png", as_png(draw_mark(4)), "image/png")}
    answer = client.post(URL, data={"k": "1", "picture_name": name}, files=files)
    assert answer.status_code == 200, answer.text
    assert said in text_of(answer.content)


def test_the_format_follows_accept_or_the_field(client: httpx.Client) -> None:
    form = {"mark_id": "M-2"}
    for accept, kind in (("*/*", "application/pdf"), (XLSX, XLSX), ("text/csv, */*", "text/csv")):
        answer = client.post(URL, data=form, headers={"Accept": accept})
        assert answer.headers["content-type"].startswith(kind)
    answer = client.post(URL, data=form | {"format": "csv"}, headers={"Accept": XLSX})
    assert answer.headers["content-type"].startswith("text/csv")
    refused = client.post(URL, data=form, headers={"Accept": "image/png"})
    assert refused.status_code == 406


def test_a_workbook_has_the_search_the_marks_their_pictures_and_true_dates(
    client: httpx.Client,
) -> None:
    form = {"mark_id": "M-2", "k": "4", "format": "xlsx"}
    book = openpyxl.load_workbook(io.BytesIO(client.post(URL, data=form).content))
    facts = {row[0].value: row[1].value for row in book["Search"].iter_rows(min_row=3)}
    assert facts["Query"] == "mark M-2, WORD 2"
    assert facts["Filters"] == "no filter"
    assert facts["Weights"].endswith("parts 1, places 0.15, same_codes 0.3")  # no words were given
    assert len(book["Search"]._images) == 1
    assert all(one.sheet_properties.pageSetUpPr.fitToPage for one in book)  # printed, none is cut
    sheet = book["Marks"]
    head = [cell.value for cell in sheet[1]]
    assert len(sheet._images) == 4
    first = dict(zip(head, [cell.value for cell in sheet[2]], strict=True))
    assert first["Place"] == 1
    assert isinstance(first["Score"], float)
    assert first["Filed"].date().year >= 2010
    hits = client.post("/api/v1/search", data={"mark_id": "M-2", "k": "4"}).json()["hits"]
    assert [row[head.index("Number")].value for row in sheet.iter_rows(min_row=2)] == [
        hit["id"] for hit in hits
    ]


def test_a_csv_names_the_search_in_every_row_even_without_marks(client: httpx.Client) -> None:
    form = {"mark_id": "M-2", "k": "4", "format": "csv", "date": "2026-11-29"}
    rows = rows_of(client.post(URL, data=form).content)
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert {row["report_query"] for row in rows} == {"mark M-2, WORD 2"}
    assert {row["report_date"] for row in rows} == {"2026-11-29"}
    none = rows_of(client.post(URL, data=form | {"office": "nowhere"}).content)
    assert [row["id"] for row in none] == [""]
    assert none[0]["report_filters"] == "Office any of nowhere"
    assert "0 of 12 pass" in none[0]["report_marks"]


def test_a_shortlist_is_reported_in_the_order_of_places_with_its_notes(
    client: httpx.Client,
) -> None:
    hits = client.post("/api/v1/search", data={"mark_id": "M-2", "k": "11"}).json()["hits"]
    chosen = [hits[7]["id"], hits[2]["id"]]
    form = {
        "mark_id": "M-2",
        "k": "1",
        "format": "csv",
        "shortlist": chosen,
        "notes": f'{{"{chosen[0]}": "far"}}',
    }
    rows = rows_of(client.post(URL, data=form).content)
    assert [(row["rank"], row["id"], row["note"]) for row in rows] == [
        ("3", chosen[1], ""),
        ("8", chosen[0], "far"),
    ]


def test_a_shortlist_may_have_as_many_marks_as_a_search(client: httpx.Client) -> None:
    shortlist = ["M-3", "M-4"] * 500
    fields = {"mark_id": "M-2", "format": "csv", "shortlist": shortlist}
    sent = client.post(URL, data=fields, files={"image": ("", b"")})
    for answer in (sent, client.post(URL, json=fields)):
        assert answer.status_code == 200, answer.text
        assert {row["id"] for row in rows_of(answer.content)} == {"M-3", "M-4"}
    refused = client.post(URL, data={"mark_id": "M-2", "shortlist": [*shortlist, "M-5"]})
    assert "1000 may be sent" in refused.json()["detail"]


def test_marks_found_by_words_are_reported_with_notes(client: httpx.Client) -> None:
    form = {"text": "wörd 7", "nice": "9,25", "shortlist": "M-7", "notes": '{"M-7": "cited"}'}
    answer = client.post(URL, data=form | {"format": "csv"})
    assert answer.status_code == 200, answer.text
    (row,) = rows_of(answer.content)
    assert (row["id"], row["rank"], row["note"]) == ("M-7", "1", "cited")
    text = text_of(client.post(URL, data=form).content)
    assert "wörd 7, spelt or sounding alike" in text
    assert row["match"]
    assert row["match"] in text
    assert "containing" not in text
    assert "the register's database, by words" in text


def test_words_that_count_beside_a_picture_are_no_filter(client: httpx.Client) -> None:
    form = {"mark_id": "M-2", "text": "wörd 7"}
    ranked = text_of(client.post(URL, data=form).content)
    assert "Words wörd 7, spelt or sounding alike" in ranked
    assert "words 1 " in ranked
    form["weights"] = "words=0"
    said = "Words only marks with words like wörd 7, spelt or sounding alike"
    assert said in text_of(client.post(URL, data=form).content)
    del form["text"]
    assert "words 0" not in text_of(client.post(URL, data=form).content)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"shortlist": "GONE"}, "GONE"),
        ({"notes": '{"M-2": "of the query itself"}'}, "not among the marks reported"),
        ({"notes": "[1]"}, "JSON object"),
        ({"notes": "nonsense"}, "not JSON"),
        ({"notes": '{"M-3": "%s"}' % ("x" * 2001)}, "at most 2000"),
        ({"notes": r'{"M-3": "\ud83d", "M-4": ""}'}, "half a character"),
        ({"notes": r'{"\ud83d": ""}'}, "half a character"),
        ({"date": "yesterday"}, "not a date"),
        ({"format": "docx"}, "'pdf', 'xlsx' or 'csv'"),
    ],
)
def test_what_no_report_can_be_made_of_is_refused(
    client: httpx.Client, form: dict[str, str], sentence: str
) -> None:
    answer = client.post(URL, data={"mark_id": "M-2"} | form)
    assert answer.status_code in (404, 422)
    assert sentence in answer.json()["detail"]


def test_the_python_api_refuses_the_same(marklens: MarkLens) -> None:
    search = SearchRequest(mark_id="M-2")
    with pytest.raises(UnknownMark):
        make_report(marklens, ReportRequest(search, shortlist=("GONE",)))
    with pytest.raises(BadQuery, match="2001 characters"):
        ReportRequest(search, notes={"M-3": "x" * 2001})


@pytest.mark.parametrize("kind", ["pdf", "xlsx", "csv"])
def test_the_same_state_query_and_day_give_the_same_bytes_in_any_process(
    marklens: MarkLens, tmp_path: Path, draw_mark: Draw, kind: Any
) -> None:
    query = tmp_path / "query.png"
    draw_mark(3).save(query)
    asked = ReportRequest(SearchRequest(query, k=5), notes={"M-3": "שלום 東京"}, day=DAY)
    here = report_bytes(make_report(marklens, asked), kind)
    assert here == report_bytes(make_report(marklens, asked), kind)
    program = f"""
import sys
from datetime import date
from pathlib import Path
from marklens import *
from marklens import MarkLens, ReportRequest, SearchRequest, Settings, make_report, report_bytes
settings = Settings.model_validate_json({marklens.settings.model_dump_json()!r})
asked = ReportRequest(
    SearchRequest(Path({str(query)!r}), k=5), notes={{"M-3": "שלום 東京"}}, day=date(2026, 11, 29)
)
with MarkLens.open(settings) as marklens:
    sys.stdout.buffer.write(report_bytes(make_report(marklens, asked), {kind!r}))
"""
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", program], capture_output=True, check=True
    )
    assert done.stdout == here


def test_words_in_other_scripts_are_written_and_letters_without_font_named(
    marklens: MarkLens, odd: Callable[..., None]
) -> None:
    odd(text="Ωμέγα Владимир 東京 ไทย", owner="שלום")
    report = make_report(marklens, ReportRequest(SearchRequest(mark_id="M-2", k=12), day=DAY))
    text = text_of(report_bytes(report, "pdf"))
    assert "Ωμέγα Владимир" in text
    assert "東京" in text
    assert "set in fonts of the viewer's own" in text
    assert "□□□" in text
    assert "lack U+0E44, U+0E17, U+0E22" in text
    rows = rows_of(report_bytes(report, "csv"))
    assert next(row for row in rows if row["id"] == "ODD")["text"].endswith("ไทย")


def test_eastern_signs_have_a_font_and_a_tab_is_a_blank(
    marklens: MarkLens, odd: Callable[..., None]
) -> None:
    odd(text="東京マーク㈱ 〒〃〜①㍻ ﾏｰｸ", owner="주식회사 ㈜㉠", office="国药准字 ㈠⑴ ㄅ")
    search = SearchRequest(mark_id="M-2", k=12)
    report = make_report(marklens, ReportRequest(search, notes={"ODD": "class\t9\u2060"}, day=DAY))
    text = text_of(report_bytes(report, "pdf"))
    for said in ("東京マーク㈱ 〒〃〜①㍻ ﾏｰｸ", "주식회사 ㈜㉠", "国药准字 ㈠⑴ ㄅ", "class 9"):
        assert said in text, said
    assert "□" not in text
    assert "lack" not in text


def test_words_that_look_like_formulas_stay_words(
    marklens: MarkLens, odd: Callable[..., None]
) -> None:
    odd(text='=HYPERLINK("http://example.org")', owner="@SUM(A1)", office="<b>&amp;</b>")
    search = SearchRequest(mark_id="M-2", k=12)
    report = make_report(marklens, ReportRequest(search, notes={"ODD": "-2+3"}, day=DAY))
    row = next(one for one in rows_of(report_bytes(report, "csv")) if one["id"] == "ODD")
    assert row["text"].startswith("'=HYPERLINK")
    assert row["owner"] == "'@SUM(A1)"
    assert row["note"] == "'-2+3"
    sheet = openpyxl.load_workbook(io.BytesIO(report_bytes(report, "xlsx")))["Marks"]
    cells = {cell.value: cell for line in sheet.iter_rows() for cell in line if cell.value}
    assert cells['=HYPERLINK("http://example.org")'].data_type == "s"
    assert not any(cell.hyperlink for cell in cells.values())
    assert "<b>&amp;</b>" in text_of(report_bytes(report, "pdf"))


def test_the_longest_texts_fit_and_no_row_is_cut_by_a_page(
    marklens: MarkLens, odd: Callable[..., None]
) -> None:
    codes = tuple(ViennaCode(1 + at // 30, 1 + at % 30) for at in range(200))
    odd(text="WORDS " * 1600, owner="O" * 10_000, vienna=codes, nice=tuple(range(1, 46)))
    search = SearchRequest(mark_id="M-2", k=12)
    report = make_report(marklens, ReportRequest(search, notes={"ODD": "note " * 400}, day=DAY))
    with pypdfium2.PdfDocument(report_bytes(report, "pdf")) as document:
        pages = page_texts(document)
    text = " ".join(pages)
    assert "10,000 characters" in text
    assert text.count("note ") + text.count("note\r") >= 400
    assert all(f"Page {at} of {len(pages)}" in page for at, page in enumerate(pages, start=1))


def test_no_row_that_fits_on_a_page_is_cut_by_one(marklens: MarkLens) -> None:
    notes = {f"M-{number}": f"begins-{number} {'note ' * 150}ends-{number}" for number in range(12)}
    del notes["M-2"]
    report = make_report(
        marklens, ReportRequest(SearchRequest(mark_id="M-2", k=11), notes=notes, day=DAY)
    )
    with pypdfium2.PdfDocument(report_bytes(report, "pdf")) as document:
        pages = page_texts(document)
    assert len(pages) > 2
    for number in range(12):
        if number != 2:
            holding = [f"begins-{number} " in page for page in pages]
            assert holding == [f"ends-{number}\r" in page for page in pages]
            assert holding.count(True) == 1


def test_a_mark_whose_picture_is_lost_is_reported_without_it(
    marklens: MarkLens, odd: Callable[..., None]
) -> None:
    odd(text="LOST")
    digest = marklens.mark("ODD").image_digest
    assert digest
    (marklens.images.folder / digest[:2] / digest).unlink()
    report = make_report(marklens, ReportRequest(SearchRequest(mark_id="M-2", k=12), day=DAY))
    assert "No picture" in text_of(report_bytes(report, "pdf"))


def test_a_turned_and_cropped_picture_is_shown_as_it_was_compared(
    marklens: MarkLens, draw_mark: Draw
) -> None:
    wide = draw_mark(3).crop((0, 0, 96, 60))
    report = make_report(marklens, ReportRequest(SearchRequest(wide, turn=90, crop=(0, 0, 60, 40))))
    assert report.fact("Turn") == "90"
    assert report.fact("Crop") == "0, 0, 60, 40"
    assert report.picture is not None
    assert report.picture.size == (60, 96)
    assert report.picture.getpixel((30, 38)) == (200, 30, 45)  # the crop's lower edge


def test_a_calibrated_score_is_reported_with_its_band(marklens: MarkLens) -> None:
    report = make_report(marklens, ReportRequest(SearchRequest(mark_id="M-2", k=2), day=DAY))
    first, *others = report.marks
    assert first.hit is not None
    calibrated = replace(first, hit=replace(first.hit, probability=0.63))
    report = replace(report, marks=(calibrated, *others))
    text = text_of(report_bytes(report, "pdf"))
    assert "strong, 63%" in text
    assert "weak is no better than chance" in text
    row = rows_of(report_bytes(report, "csv"))[0]
    assert (row["probability"], row["band"]) == ("0.63", "strong")
