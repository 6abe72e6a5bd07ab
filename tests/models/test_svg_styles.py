"""An SVG is drawn in the colours that a browser shows, or refused; never silently in others."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.errors import UnreadableImage
from models.images import decode_image
from models.images.rasters import load_raster
from models.images.svg import draw_svg

GREEN = (0, 104, 48)
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
BOX = 'viewBox="0 0 40 40"'
TRIANGLE = '<polygon points="6,34 20,6 34,34" {}/>'
GREEN_TRIANGLE = TRIANGLE.format('fill="#006830"')


def drawn(inside: str, attributes: str = BOX) -> Image.Image:
    return decode_image(f"{HEAD}{attributes}>{inside}</svg>".encode(), "mark.svg")


def colour(picture: Image.Image) -> tuple[int, ...]:
    """In the middle of the triangle."""
    return picture.getpixel((picture.width // 2, picture.height * 6 // 10))


def near(one: tuple[int, ...], other: tuple[int, ...], most: int = 1) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= most


@pytest.mark.parametrize(
    ("inside", "most"),
    [
        (TRIANGLE.format('fill="#006830"'), 0),
        # Figma writes both: the last that can be read counts.
        (TRIANGLE.format('style="fill:#ff0000;fill:color(display-p3 0 0.4078 0.1882)"'), 9),
        (TRIANGLE.format('fill="oklch(0.46 0.13 155)"'), 6),
        (TRIANGLE.format('fill="rgb(0 104 48 / 100%)"'), 1),
        (TRIANGLE.format('fill="hsl(147.7deg 100% 20.4%)"'), 1),
        (TRIANGLE.format('fill="#006830 icc-color(sRGB, 0, .4, .2)"'), 0),
        ("<style>@media all{.a{fill:#006830}}</style>" + TRIANGLE.format('class="a"'), 0),
        (
            "<style>:root{fill:#006830}@media (prefers-color-scheme:dark){:root{fill:#fff}}"
            "@media print{:root{fill:#f00}}</style>" + TRIANGLE.format(""),
            0,
        ),
        (
            "<style><![CDATA[svg{--brand:#006830;--used:var(--brand)} .a>.b{fill:red}]]></style>"
            + TRIANGLE.format('fill="var(--used)"'),
            0,
        ),
        (TRIANGLE.format('fill="var(--absent, #006830)"'), 0),
        (TRIANGLE.format('style="fill:#006830;fill:color(unheard-of 1 2 3)"'), 0),
        (TRIANGLE.format('style="--x:1;fill:#006830"'), 0),
        ("<style>.a{*zoom:1;--x:1;fill:#006830}</style>" + TRIANGLE.format('class="a"'), 0),
        (TRIANGLE.format('fill="#006830 device-cmyk(1 0 1 .6)"'), 0),
        (
            "<style>.a{fill:#006830}@keyframes k{from{fill:red}}</style><style media='print'>"
            '.a{fill:red}</style><style media="(prefers-color-scheme: dark)">.a{fill:#fff}</style>'
            + TRIANGLE.format('class="a"'),
            0,
        ),
        (
            "<style>svg{--a:#006830;--b:red}</style><g style='--a:#006830;--b:blue'>"
            + TRIANGLE.format('fill="var(--a)"')
            + "</g>",
            0,
        ),
        ("<style/>" + GREEN_TRIANGLE + "<style>@media all{.a{fill:red}}</style>", 0),
        (
            '<x:style xmlns:x="http://www.w3.org/2000/svg">.a{fill:oklch(0.46 0.13 155)}</x:style>'
            + TRIANGLE.format('class="a"'),
            6,
        ),
    ],
)
def test_colours_are_those_of_a_browser(inside: str, most: int) -> None:
    assert near(colour(drawn(inside)), GREEN, most)


def test_translucent_colours_stay_translucent() -> None:
    half = drawn(TRIANGLE.format('fill="rgb(0 104 48 / 50%)"'))
    assert near(colour(half), (127, 179, 151), 2)


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (TRIANGLE.format('fill="var(--absent)"'), "--absent"),
        (TRIANGLE.format('fill="color(unheard-of 1 2 3)"'), "unheard-of"),
        (TRIANGLE.format('fill="color-mix(in srgb, red, blue)"'), "color-mix"),
        (TRIANGLE.format('style="fill:light-dark(red, blue)"'), "light-dark"),
        (TRIANGLE.format('stroke="device-cmyk(0 1 1 0)"'), "device-cmyk"),
        ("<style>.a{fill:color-mix(in srgb, red, blue)}</style>" + GREEN_TRIANGLE, "color-mix"),
        ("<style>@supports (fill:red){.a{fill:red}}</style>" + GREEN_TRIANGLE, "@supports"),
        ("<style>@layer a{.a{fill:red}}</style>" + GREEN_TRIANGLE, "@layer"),
        ("<style>svg{.a{fill:red}}</style>" + GREEN_TRIANGLE, "rules within rules"),
        ("<style media='(min-width:9px)'>.a{fill:red}</style>" + GREEN_TRIANGLE, "min-width"),
        (
            "<style>svg{--a:blue}.a{--a:red}</style>" + TRIANGLE.format('fill="var(--a)"'),
            "--a is not the same everywhere",
        ),
        (
            "<g style='--a:red'>" + TRIANGLE.format('fill="var(--a, blue)"') + "</g>",
            "--a is not the same everywhere",
        ),
        ("<style>@import url('brand.css');</style>" + TRIANGLE.format('class="a"'), "brand.css"),
        ("<style>@media (min-width:9px){.a{fill:red}}</style>" + TRIANGLE.format(""), "min-width"),
        (
            "<style>svg{--a:var(--b);--b:var(--a)}</style>" + TRIANGLE.format('fill="var(--a)"'),
            "each",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(inside: str, why: str) -> None:
    with pytest.raises(UnreadableImage, match=why):
        drawn(inside)


def test_a_style_sheet_in_another_file_is_refused() -> None:
    document = '<?xml version="1.0"?><?xml-stylesheet type="text/css" href="brand.css"?>'
    with pytest.raises(UnreadableImage, match=r"another file \(brand\.css\)"):
        decode_image(f"{document}{HEAD}{BOX}>{TRIANGLE.format('')}</svg>".encode(), "mark.svg")


@pytest.mark.parametrize("unit", ["mm", "cm", "in", "pt", "px"])
def test_sizes_in_any_unit_are_drawn(unit: str) -> None:
    sized = drawn(
        TRIANGLE.format('fill="#006830"'), f'width="10.5{unit}" height="10.5{unit}" {BOX}'
    )
    assert near(colour(sized), GREEN)


@pytest.mark.parametrize(
    "reference",
    [
        '<color-profile name="sRGB" xlink:href="/usr/share/color/icc/sRGB.icc"/>',
        '<font-face font-family="Brand"><font-face-src>'
        '<font-face-uri xlink:href="brand.svg#Brand"/></font-face-src></font-face>',
    ],
)
def test_references_that_drawing_does_not_need_do_no_harm(reference: str) -> None:
    assert near(
        colour(drawn(f"<defs>{reference}</defs>" + TRIANGLE.format('fill="#006830"'))), GREEN
    )


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("BMP", "RGB"),
        ("AVIF", "RGB"),
        ("TIFF", "RGB"),
    ],
)
def test_embedded_pictures_have_their_colours(kind: str, mode: str) -> None:
    file = BytesIO()
    Image.new("RGB", (40, 40), GREEN).convert(mode).save(file, kind)
    data = f"data:image/{kind.lower()};base64,{b64encode(file.getvalue()).decode()}"
    shown = drawn(f'<image width="40" height="40" xlink:href="{data}"/>')
    assert near(colour(shown), GREEN, 4)


@pytest.mark.parametrize("line_end", ["\n", "&#10;", "&#xD;&#xA;", "%0A"])
def test_an_embedded_picture_may_be_written_in_lines(line_end: str) -> None:
    data = b64encode(jpeg()).decode()
    lines = line_end.join(data[at : at + 76] for at in range(0, len(data), 76))
    one, other = (
        drawn(f'<image width="40" height="40" xlink:href="data:image/jpeg;base64,{text}"/>')
        for text in (data, lines)
    )
    assert np.array_equal(np.asarray(one), np.asarray(other))


def test_an_embedded_picture_that_is_not_read_is_refused() -> None:
    data = b64encode(b"\x00\x00\x00\x0cjP  \r\n" + bytes(40)).decode()
    with pytest.raises(UnreadableImage, match="picture in it"):
        drawn(f'<image width="40" height="40" xlink:href="data:image/jp2;base64,{data}"/>')


def jpeg(mode: str = "RGB") -> bytes:
    file = BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(jpeg()[: len(jpeg()) // 2], id="cut short"),
        pytest.param(jpeg()[:400] + b"\xff\xff\xff\x00" * 400 + b"\xff\xd9", id="garbled"),
    ],
)
def test_an_embedded_picture_that_is_damaged_is_refused(content: bytes) -> None:
    data = b64encode(content).decode()
    with pytest.raises(UnreadableImage, match=r"picture in it.*damaged"):
        drawn(f'<image width="40" height="40" xlink:href="data:image/jpeg;base64,{data}"/>')


def test_a_jpeg_within_a_drawing_is_left_to_the_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded only to learn its kind of colours")

    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", refuse)
    data = b64encode(jpeg()).decode()
    image = f'<image width="40" height="40" xlink:href="data:image/jpeg;base64,{data}"/>'
    assert draw_svg(f"{HEAD}>{image}</svg>".encode(), "mark.svg", 8)


def test_a_picture_within_a_drawing_is_decoded_within_its_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here: list[object] = []

    def noted(*arguments: Any) -> Any:
        here.append(arguments)
        return load_raster(*arguments)

    monkeypatch.setattr("models.images.svg.load_raster", noted)
    file = BytesIO()
    Image.new("L", (40, 40)).save(file, "TIFF", compression="tiff_adobe_deflate")
    data = b64encode(file.getvalue()).decode()
    image = f'<image width="40" height="40" xlink:href="data:image/tiff;base64,{data}"/>'
    assert draw_svg(f"{HEAD}>{image}</svg>".encode(), "mark.svg", 8)
    assert not here  # but in the child that has them


_STRANGE = chr(0x10F8F8)  # a private letter that no font has


def test_words_whose_letters_no_font_has_are_refused_by_name() -> None:
    words = f'<text x="2" y="26" font-size="12">TOR{_STRANGE}</text>'
    with pytest.raises(UnreadableImage, match=r"^mark\.svg: .*no font here has.*U\+10F8F8"):
        drawn(GREEN_TRIANGLE + words)


def test_blanks_without_a_glyph_and_hidden_words_do_no_harm() -> None:
    word = '<text x="2" y="26" font-size="12">TOR\u2063\ufe0fVO</text>'
    hidden = f'<text display="none">{_STRANGE}</text>'
    assert (np.asarray(drawn(word + hidden).convert("L")) < 128).mean() > 0.05


def test_words_in_a_drawing_within_are_refused() -> None:
    inner = f'{HEAD} {BOX}><text x="2" y="26" font-size="12">TORVO</text></svg>'.encode()
    data = b64encode(inner).decode()
    with pytest.raises(UnreadableImage, match="a drawing in it that has words"):
        drawn(f'<image width="40" height="40" xlink:href="data:image/svg+xml;base64,{data}"/>')


_PARAGRAPH = (
    '<foreignObject width="40" height="40"><p xmlns="http://www.w3.org/1999/xhtml">TORVO</p>'
    "</foreignObject>"
)


@pytest.mark.parametrize("words", [_PARAGRAPH, "<flowRoot><flowPara>TORVO</flowPara></flowRoot>"])
def test_words_that_the_renderer_leaves_out_are_refused(words: str) -> None:
    with pytest.raises(UnreadableImage, match=r"words in a <f.*TORVO"):
        drawn(GREEN_TRIANGLE + words)
    alternative = f"<switch>{words}{GREEN_TRIANGLE}</switch>"
    assert near(colour(drawn(alternative)), GREEN)


def test_words_are_drawn_in_the_font_that_comes_along() -> None:
    word = '<text x="2" y="26" font-size="12" font-family="No Such Family">TORVO</text>'
    assert (np.asarray(drawn(word).convert("L")) < 128).mean() > 0.05
