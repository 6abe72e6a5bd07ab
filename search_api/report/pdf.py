"""A report as a PDF on A4: what was searched, then a row a mark, which no page break cuts."""

import io
from datetime import date
from functools import partial
from typing import Any

from PIL import Image as Picture
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    Image,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from indexer.marks import MARK_FIELDS, FieldKind, Mark
from indexer.query import MAX_K
from search_api.report.contents import Report, seen_as_text
from search_api.report.lettering import BOLD, PLAIN, Lettering, load_fonts
from search_api.report.reported_marks import ReportedMark

_INK, _GREY, _LINE, _SHADE, _ACCENT = (
    HexColor(one) for one in ("#101828", "#667085", "#D0D5DD", "#F2F4F7", "#155E75")
)
_MARGIN = 18 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_HEIGHT = A4[1] - 2 * _MARGIN - 4 * mm  # of a page's text, a little less than there is
_PLACE, _PICTURE, _SCORE = 15 * mm, 34 * mm, 30 * mm
_DATA = _WIDTH - _PLACE - _PICTURE - _SCORE
_QUERY = 52 * mm  # the query picture's column
_PAD = 2.2 * mm
_FRAME = 6  # points that ReportLab leaves free within the margins
_SIDE = 360  # pixels of a mark's picture: 300 a hundredth of an inch wide as it is printed
_LONGEST = 500  # characters of a field; the tables have all of it
_MOST_CODES = 12
_SEEN = 6  # codes seen in a mark, the most probable
_SHORT = 40  # characters of a field that shares a line
_TITLE = "Trademark search report"


def _style(size: float, colour: Any = _INK, font: str = PLAIN, **more: Any) -> ParagraphStyle:
    name = f"{font}-{size}"
    return ParagraphStyle(
        name, fontName=font, fontSize=size, leading=size * 1.38, textColor=colour, **more
    )


_STYLES = {
    "title": _style(19, font=BOLD),
    "day": _style(9, _GREY),
    "heading": _style(11, font=BOLD, spaceBefore=5 * mm, spaceAfter=2.5 * mm),
    "text": _style(8),
    "name": _style(8, _GREY),
    "words": _style(9.5, font=BOLD),
    "head": _style(7.5, _GREY, BOLD),
    "head_right": _style(7.5, _GREY, BOLD, alignment=TA_RIGHT),
    "place": _style(9, font=BOLD),
    "score": _style(12, _ACCENT, BOLD, alignment=TA_RIGHT),
    "band": _style(7.5, font=BOLD, alignment=TA_RIGHT),
    "scores": _style(7.5, _GREY, alignment=TA_RIGHT),
    "small": _style(7.5, _GREY),
    "nothing": _style(7.5, _GREY, alignment=TA_CENTER),
}


def as_pdf(report: Report) -> bytes:
    """Write a report; the same report gives the same bytes."""
    load_fonts()
    stream = io.BytesIO()
    footer = f"MarkLens · {report.day.isoformat()} · register {report.fact('Register state')}"
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=_MARGIN - _FRAME,
        rightMargin=_MARGIN - _FRAME,
        topMargin=_MARGIN - _FRAME,
        bottomMargin=_MARGIN + 2 * mm,
        title=_TITLE,
        author=report.fact("Made with"),
        subject=report.fact("Query"),
        lang="en",
        invariant=1,  # neither the clock nor chance in the file
    )
    pages = _pages(report)
    document.build(pages, canvasmaker=partial(_Canvas, footer=footer, day=report.day))
    return stream.getvalue()


class _Canvas(Canvas):  # type: ignore[misc]  # ReportLab has no types
    """Pages with a footer, which needs to know how many there are."""

    def __init__(self, stream: Any, *, footer: str, day: date, **more: Any) -> None:
        super().__init__(stream, **more)
        self._footer = footer
        self._finished: list[dict[str, Any]] = []
        self.setDateFormatter(lambda *_: f"D:{day:%Y%m%d}000000Z")

    def showPage(self) -> None:  # noqa: N802 - ReportLab's name
        """Keep a finished page until all are."""
        self._finished.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Put the footer on each page, and end the file."""
        for number, page in enumerate(self._finished, start=1):
            self.__dict__.update(page)
            self.setStrokeColor(_LINE)
            self.setLineWidth(0.5)
            self.line(_MARGIN, _MARGIN, A4[0] - _MARGIN, _MARGIN)
            self.setFont(PLAIN, 7.5)
            self.setFillColor(_GREY)
            self.drawString(_MARGIN, _MARGIN - 4.5 * mm, self._footer)
            self.drawRightString(
                A4[0] - _MARGIN, _MARGIN - 4.5 * mm, f"Page {number} of {len(self._finished)}"
            )
            super().showPage()
        super().save()


def _pages(report: Report) -> list[Flowable]:
    letters = Lettering()
    pages: list[Flowable] = [
        Paragraph(_TITLE, _STYLES["title"]),
        Spacer(0, 1.5 * mm),
        Paragraph(_written_out(report.day), _STYLES["day"]),
        Spacer(0, 5 * mm),
        _search(report, letters),
    ]
    heading = Paragraph("Marks", _STYLES["heading"])
    if report.marks:
        pages += _marks(heading, report, letters)
    else:
        pages += [heading, Paragraph("No mark was found.", _STYLES["text"])]
    pages.append(Paragraph("How to read this report", _STYLES["heading"]))
    pages += [Paragraph(one, _STYLES["small"]) for one in _remarks(report, letters)]
    return pages


def _written_out(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


_TOP = ("VALIGN", (0, 0), (-1, -1), "TOP")


def _padded(across: float, down: float) -> list[tuple[Any, ...]]:
    """Style of cells with so much white space beside and above their text."""
    sides = {"LEFT": across, "RIGHT": across, "TOP": down, "BOTTOM": down}
    return [(f"{side}PADDING", (0, 0), (-1, -1), points) for side, points in sides.items()]


def _search(report: Report, letters: Lettering) -> Table:
    """The query picture, and beside it what was searched."""
    lines = [(one.name, one.value) for one in report.facts]
    if report.seen:
        lines.append(("Codes seen", seen_as_text(report.seen, _MOST_CODES)))
    name_width = 26 * mm
    width = _WIDTH - name_width - (_QUERY + 4 * mm if report.picture else 0)
    cells = [
        [Paragraph(name, _STYLES["name"]), _text(_shortened(value, 1500), "text", letters, width)]
        for name, value in lines
    ]
    rules = [_TOP, *_padded(0, 1.1 * mm), ("LINEBELOW", (0, 0), (-1, -2), 0.4, _LINE)]
    facts = Table(cells, [name_width, width], style=TableStyle(rules))
    if report.picture is None:
        return facts
    framed = [
        ("BOX", (0, 0), (-1, -1), 0.5, _LINE),
        ("ALIGN", (0, 0), (-1, -1), "CENTER"),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ]
    image = _image(report.picture, _QUERY - 4 * mm)
    picture = Table([[image]], [_QUERY], [_QUERY], TableStyle(framed))
    columns = [_QUERY + 4 * mm, name_width + width]
    return Table([[picture, facts]], columns, style=TableStyle([_TOP, *_padded(0, 0)]))


class _Rows(Table):  # type: ignore[misc]  # ReportLab has no types
    """A table that moves a row to the next page rather than cut it, unless a page is too short."""

    def split(self, width: float, height: float) -> list[Flowable]:
        """The part that fits in a height, and the rest; nothing where no row fits."""
        self.splitInRow = int(sum(self._rowHeights[:2]) > _HEIGHT)
        parts: list[Flowable] = super().split(width, height)
        return parts


def _marks(heading: Flowable, report: Report, letters: Lettering) -> list[Flowable]:
    """The marks as a table, which begins on a new page where not even its first mark fits."""
    heads = ["Place", "Picture", "Mark", "Score"]
    styles = ["head", "head", "head", "head_right"]
    rows: list[list[Any]] = [
        [Paragraph(text, _STYLES[style]) for text, style in zip(heads, styles, strict=True)]
    ]
    rows += [_row(report, one, letters) for one in report.marks]
    rules = [
        _TOP,
        ("ALIGN", (1, 1), (1, -1), "CENTER"),
        ("BACKGROUND", (0, 0), (-1, 0), _SHADE),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        *_padded(_PAD, _PAD),
    ]
    widths = [_PLACE, _PICTURE, _DATA, _SCORE]
    _, height = Table(rows[:2], widths, style=TableStyle(rules)).wrap(_WIDTH, A4[1])
    table = _Rows(rows, widths, style=TableStyle(rules), repeatRows=1)
    return [CondPageBreak(min(height + 15 * mm, _HEIGHT)), heading, table]


def _row(report: Report, one: ReportedMark, letters: Lettering) -> list[Any]:
    picture = report.picture_of(one.mark, _SIDE)
    shown: Flowable = Paragraph("no picture", _STYLES["nothing"])
    if picture is not None:
        shown = _image(picture, _PICTURE - 2 * _PAD)
    after = "–" if one.hit is None or one.hit.score is None else f"> {MAX_K:,}"
    place = after if one.rank is None else str(one.rank)
    return [
        Paragraph(place, _STYLES["place"]),
        shown,
        _data(one, letters),
        _scores(one),
    ]


def _data(one: ReportedMark, letters: Lettering) -> list[Flowable]:
    """What the register says of a mark, and the note on it."""
    record, width = one.mark.record, _DATA - 2 * _PAD
    cell: list[Flowable] = [
        _text(_shortened(record.text or record.id, _LONGEST), "words", letters, width)
    ]
    for line in _lines(one.mark):
        parts = [
            f'<font color="#667085">{name}</font>&nbsp;'
            + letters.markup(_shortened(value, _LONGEST), width=width * 0.8, size=8)
            for name, value in line
        ]
        cell.append(Paragraph(" &nbsp; ".join(parts), _STYLES["text"]))
    if one.note:
        note = letters.markup(one.note, width=width - 4 * mm, size=8)
        style = [
            ("LINEBEFORE", (0, 0), (0, -1), 2, _ACCENT),
            ("BACKGROUND", (0, 0), (-1, -1), _SHADE),
            ("LEFTPADDING", (0, 0), (-1, -1), 2 * mm),
        ]
        cell += [
            Spacer(0, 1.2 * mm),
            Table(
                [[Paragraph(note, _STYLES["text"])]],
                [width],
                style=TableStyle(style),
                splitInRow=1,
            ),
        ]
    return cell


def _lines(mark: Mark) -> list[list[tuple[str, str]]]:
    """What a mark says beside its words, as lines of fields: short ones share the first."""
    short: list[tuple[str, str]] = []
    lines = []
    for one in MARK_FIELDS:
        value = one.as_json(mark.record)
        is_title = one.name == "text" or (one.kind is FieldKind.ID and not mark.record.text)
        if not value or is_title or one.name == "image_name":
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if one.kind.is_list or len(text) > _SHORT or one.name == "owner":
            lines.append([(one.title, text)])
        else:
            short.append((one.title, text))
    if mark.words_read:
        lines.append([("Words read in the picture", mark.words_read)])
    seen = mark.predicted[:_SEEN]
    if seen:
        text = ", ".join(f"{one.code} ({one.probability:.0%})" for one in seen)
        lines.append([("Codes seen", text)])
    return [short, *lines] if short else lines


def _scores(one: ReportedMark) -> list[Flowable]:
    """How near a mark is: score, band with probability, words, blocks."""
    hit = one.hit
    if hit is None:
        return [Paragraph(one.unplaced, _STYLES["scores"])]
    cell: list[Flowable] = []
    if hit.score is not None:
        cell += [Paragraph(f"{max(0.0, hit.score):.3f}", _STYLES["score"]), Spacer(0, 1 * mm)]
    if hit.probability is not None:
        cell.append(Paragraph(f"{hit.band}, {hit.probability:.0%}", _STYLES["band"]))
    if hit.pair is not None and hit.pair.picture:
        cell.append(Paragraph(f"by picture {hit.pair.picture + 1}", _STYLES["scores"]))
    if hit.words is not None:
        cell.append(Paragraph(hit.words.said, _STYLES["scores"]))
    cell += [
        Paragraph(f"{name} {max(0.0, value):.2f}", _STYLES["scores"])
        for name, value in hit.scores.items()
    ]
    return cell


def _remarks(report: Report, letters: Lettering) -> list[str]:
    said = [
        "Codes seen are Vienna codes that the network sees in a picture; Vienna codes are those "
        "that an office assigned.",
        "The same query, filters and weights over the same state of the register give this report "
        "again.",
    ]
    if any(one.hit is not None and one.hit.score is not None for one in report.marks):
        said.insert(
            0,
            "A score is the weighted mean of the cosines of the embedding's blocks, for the sign "
            "or part that matches best, raised where places within the pictures agree or the query "
            "shows a code of the mark; identical pictures have 1. It orders marks, "
            "and is no probability of confusion.",
        )
    if any(one.hit is not None and one.hit.probability is not None for one in report.marks):
        said.append(
            "The percentage is how probably a mark with this score is the same sign or a variant, "
            "if the register holds one: near-identical from 90%, strong from 50%, some from 10%; "
            "weak is no better than chance."
        )
    if letters.of_viewer:
        said.append("Chinese, Japanese and Korean words are set in fonts of the viewer's own.")
    if letters.missing:
        shown = ", ".join(f"U+{ord(sign):04X}" for sign in list(letters.missing)[:40])
        more = " and others" if len(letters.missing) > 40 else ""
        said.append(
            f"The fonts of this report lack {shown}{more}, for each of which an empty box stands; "
            "the reports in XLSX and CSV have these letters."
        )
    return said


def _text(value: str, style: str, letters: Lettering, width: float) -> Paragraph:
    chosen = _STYLES[style]
    bold = chosen.fontName == BOLD
    return Paragraph(letters.markup(value, bold=bold, width=width, size=chosen.fontSize), chosen)


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]} … ({len(text):,} characters; the XLSX and CSV reports have all of them)"


def _image(picture: Picture.Image, side: float) -> Image:
    """A picture that fills a square of `side` points as far as its form allows."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    scale = side / max(picture.size)
    return Image(file, picture.width * scale, picture.height * scale)
