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
from search_api.languages import Language, message
from search_api.report.columns import match_said
from search_api.report.contents import TITLE, Report
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
    say = report.language.say
    state = say("register %(state)s", state=report.fact("Register state"))
    footer = f"MarkLens · {report.day.isoformat()} · {state}"
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=_MARGIN - _FRAME,
        rightMargin=_MARGIN - _FRAME,
        topMargin=_MARGIN - _FRAME,
        bottomMargin=_MARGIN + 2 * mm,
        title=say(TITLE),
        author=report.fact("Made with"),
        subject=report.fact("Query"),
        lang=report.language.code,
        invariant=1,  # neither the clock nor chance in the file
    )
    pages = _pages(report)
    canvas = partial(_Canvas, footer=footer, day=report.day, language=report.language)
    document.build(pages, canvasmaker=canvas)
    return stream.getvalue()


class _Canvas(Canvas):  # type: ignore[misc]  # ReportLab has no types
    """Pages with a footer, which needs to know how many there are."""

    def __init__(
        self, stream: Any, *, footer: str, day: date, language: Language, **more: Any
    ) -> None:
        super().__init__(stream, **more)
        self._footer, self._language = footer, language
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
            place = {"page": number, "pages": len(self._finished)}
            shown = self._language.say("Page %(page)s of %(pages)s", **place)
            self.drawRightString(A4[0] - _MARGIN, _MARGIN - 4.5 * mm, shown)
            super().showPage()
        super().save()


def _pages(report: Report) -> list[Flowable]:
    letters, say = Lettering(), report.language.say
    pages: list[Flowable] = [
        Paragraph(say(TITLE), _STYLES["title"]),
        Spacer(0, 1.5 * mm),
        Paragraph(report.language.written_out(report.day), _STYLES["day"]),
        Spacer(0, 5 * mm),
        _search(report, letters),
    ]
    heading = Paragraph(say("Marks"), _STYLES["heading"])
    if report.marks:
        pages += _marks(heading, report, letters)
    else:
        pages += [heading, Paragraph(say("No mark was found."), _STYLES["text"])]
    pages.append(Paragraph(say("How to read this report"), _STYLES["heading"]))
    pages += [Paragraph(one, _STYLES["small"]) for one in _remarks(report, letters)]
    return pages


_TOP = ("VALIGN", (0, 0), (-1, -1), "TOP")


def _padded(across: float, down: float) -> list[tuple[Any, ...]]:
    """Style of cells with so much white space beside and above their text."""
    sides = {"LEFT": across, "RIGHT": across, "TOP": down, "BOTTOM": down}
    return [(f"{side}PADDING", (0, 0), (-1, -1), points) for side, points in sides.items()]


def _search(report: Report, letters: Lettering) -> Table:
    """The query picture, and beside it what was searched."""
    name_width = 26 * mm
    width = _WIDTH - name_width - (_QUERY + 4 * mm if report.picture else 0)
    cells = [
        [
            Paragraph(name, _STYLES["name"]),
            _text(_shortened(value, 1500, report.language), "text", letters, width),
        ]
        for name, value in report.lines(_MOST_CODES)
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
    say = report.language.say
    heads = [say("Place"), say("Picture"), say("Mark"), say("Score")]
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
    shown: Flowable = Paragraph(report.language.say("No picture"), _STYLES["nothing"])
    if picture is not None:
        shown = _image(picture, _PICTURE - 2 * _PAD)
    after = (
        "–" if one.hit is None or one.hit.score is None else f"> {report.language.number(MAX_K)}"
    )
    place = after if one.rank is None else str(one.rank)
    return [
        Paragraph(place, _STYLES["place"]),
        shown,
        _data(one, letters, report.language),
        _scores(one, report.language),
    ]


def _data(one: ReportedMark, letters: Lettering, language: Language) -> list[Flowable]:
    """What the register says of a mark, and the note on it."""
    record, width = one.mark.record, _DATA - 2 * _PAD
    cell: list[Flowable] = [
        _text(_shortened(record.text or record.id, _LONGEST, language), "words", letters, width)
    ]
    for line in _lines(one.mark, language):
        parts = [
            f'<font color="#667085">{name}</font>&nbsp;'
            + letters.markup(_shortened(value, _LONGEST, language), width=width * 0.8, size=8)
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


def _lines(mark: Mark, language: Language) -> list[list[tuple[str, str]]]:
    """What a mark says beside its words, as lines of fields: short ones share the first."""
    short: list[tuple[str, str]] = []
    lines, say = [], language.say
    for one in MARK_FIELDS:
        value = one.as_json(mark.record)
        is_title = one.name == "text" or (one.kind is FieldKind.ID and not mark.record.text)
        if not value or is_title or one.name == "image_name":
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if one.kind.is_list or len(text) > _SHORT or one.name == "owner":
            lines.append([(say(one.title), text)])
        else:
            short.append((say(one.title), say(text) if one.name == "status" else text))
    if mark.words_read:
        lines.append([(say("Words read in the picture"), mark.words_read)])
    seen = mark.predicted[:_SEEN]
    if seen:
        text = ", ".join(f"{one.code} ({language.share(one.probability)})" for one in seen)
        lines.append([(say("Codes seen"), text)])
    return [short, *lines] if short else lines


def _scores(one: ReportedMark, language: Language) -> list[Flowable]:
    """How near a mark is: score, band with probability, words, blocks."""
    hit, number = one.hit, language.number
    if hit is None:
        return [Paragraph(one.unplaced, _STYLES["scores"])]
    cell: list[Flowable] = []
    if hit.score is not None:
        cell += [
            Paragraph(f"{number(max(0.0, hit.score), 3)}", _STYLES["score"]),
            Spacer(0, 1 * mm),
        ]
    if hit.probability is not None:
        cell.append(
            Paragraph(
                f"{language.say(hit.band or '')}, {language.share(hit.probability)}",
                _STYLES["band"],
            )
        )
    if hit.pair is not None and hit.pair.picture:
        shown = language.say("by picture %(n)s", n=hit.pair.picture + 1)
        cell.append(Paragraph(shown, _STYLES["scores"]))
    if hit.words is not None:
        cell.append(Paragraph(match_said(hit, language), _STYLES["scores"]))
    cell += [
        Paragraph(f"{name} {number(max(0.0, value), 2)}", _STYLES["scores"])
        for name, value in hit.scores.items()
    ]
    return cell


def _remarks(report: Report, letters: Lettering) -> list[str]:
    say = report.language.say
    said = [
        say(
            "Codes seen are Vienna codes that the network sees in a picture; Vienna codes are "
            "those that an office assigned."
        ),
        say(
            "The same query, filters and weights over the same state of the register give this "
            "report again."
        ),
    ]
    if any(one.hit is not None and one.hit.score is not None for one in report.marks):
        said.insert(0, say(_OF_SCORES))
    if any(one.hit is not None and one.hit.probability is not None for one in report.marks):
        said.append(say(_OF_BANDS))
    if letters.of_viewer:
        said.append(say("Chinese, Japanese and Korean words are set in fonts of the viewer's own."))
    if letters.missing:
        shown = ", ".join(f"U+{ord(sign):04X}" for sign in list(letters.missing)[:40])
        lacking = shown + (" …" if len(letters.missing) > 40 else "")
        said.append(say(_OF_BOXES, letters=lacking))
    return said


_OF_SCORES = message(
    "A score is the weighted mean of the cosines of the embedding's blocks, for the sign or part "
    "that matches best, raised where places within the pictures agree or the query shows a code of "
    "the mark; identical pictures have 1. It orders marks, and is no probability of confusion."
)
_OF_BANDS = message(
    "The percentage is how probably a mark with this score is the same sign or a variant, if the "
    "register holds one: near-identical from 90%, strong from 50%, some from 10%; weak is no "
    "better than chance."
)
_OF_BOXES = message(
    "The fonts of this report lack %(letters)s, for each of which an empty box stands; the reports "
    "in XLSX and CSV have these letters."
)


def _text(value: str, style: str, letters: Lettering, width: float) -> Paragraph:
    chosen = _STYLES[style]
    bold = chosen.fontName == BOLD
    return Paragraph(letters.markup(value, bold=bold, width=width, size=chosen.fontSize), chosen)


def _shortened(text: str, most: int, language: Language) -> str:
    if len(text) <= most:
        return text
    left = language.say(
        "%(n)s characters; the XLSX and CSV reports have all of them", n=language.number(len(text))
    )
    return f"{text[:most]} … ({left})"


def _image(picture: Picture.Image, side: float) -> Image:
    """A picture that fills a square of `side` points as far as its form allows."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    scale = side / max(picture.size)
    return Image(file, picture.width * scale, picture.height * scale)
