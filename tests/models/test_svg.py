"""SVG drawings, welcome and hostile."""

import gzip

import pytest

from models.errors import UnreadableImage
from models.images import decode_image, media_type

RED, WHITE = (255, 0, 0), (255, 255, 255)
BAR = '<rect width="90" height="300" fill="red"/>'


def svg(body: str, before: str = "") -> str:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{before}<svg {spaces} viewBox="0 0 100 300">{body}</svg>'


def test_a_drawing_is_drawn_large_on_paper() -> None:
    content = svg(BAR).encode()
    image = decode_image(content)
    assert (image.size, image.mode) == ((342, 1024), "RGB")
    assert (image.getpixel((100, 500)), image.getpixel((335, 500))) == (RED, WHITE)
    assert media_type(content) == "image/svg+xml"


ILLUSTRATOR = (
    '<?xml version="1.0"?><!-- made by a tool --><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
    '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [<!ENTITY red "red">]>'
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(svg(BAR.replace('"red"', '"&red;"'), ILLUSTRATOR).encode(), id="Illustrator"),
        pytest.param(b"\xef\xbb\xbf\n" + svg(BAR).encode(), id="byte order mark"),
        pytest.param(svg(BAR).encode("utf-16"), id="UTF-16"),
        pytest.param(
            svg(f"<!-- caf\xe9 -->{BAR}", '<?xml version="1.0" encoding="latin-1"?>').encode(
                "latin-1"
            ),
            id="Latin-1",
        ),
        pytest.param(gzip.compress(svg(BAR).encode()), id="svgz"),
        pytest.param(svg(f'<a xlink:href="https://example.org">{BAR}</a>').encode(), id="link"),
        pytest.param(
            svg(f'<defs><g id="b">{BAR}</g></defs><use xlink:href="#b"/>').encode(), id="use"
        ),
    ],
)
def test_what_drawing_programs_write_is_drawn(content: bytes) -> None:
    assert decode_image(content).getpixel((100, 500)) == RED


def nested_uses() -> str:
    layers = [f'<g id="a{n}">{f"""<use xlink:href="#a{n - 1}"/>""" * 10}</g>' for n in range(1, 12)]
    return f'<g id="a0">{BAR}</g>{"".join(layers)}'


def laughs() -> str:
    layers = [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
    return f'<!DOCTYPE svg [<!ENTITY l0 "haha">{"".join(layers)}]>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(svg(BAR)[:-20], "damaged or cut short", id="truncated"),
        pytest.param("<kml><svg/></kml>", "not an SVG drawing but a <kml>", id="other XML"),
        pytest.param(svg('<image href="/etc/passwd"/>'), "another file", id="file"),
        pytest.param(svg('<image href="http://localhost/"/>'), "another file", id="network"),
        pytest.param(svg('<use xlink:href=" file:///a.svg#b"/>'), "another file", id="use"),
        pytest.param(
            svg('<image href="&f;"/>', '<!DOCTYPE svg [<!ENTITY f "/etc/passwd">]>'),
            "another file",
            id="file in an entity",
        ),
        pytest.param(
            svg("<text>&f;</text>", '<!DOCTYPE svg [<!ENTITY f SYSTEM "/etc/passwd">]>'),
            "another file",
            id="entity from a file",
        ),
        pytest.param(svg("<text>&l9;</text>", laughs()), "damaged", id="billion laughs"),
        pytest.param(svg(nested_uses()), "cannot be drawn|too much", id="billion uses"),
        pytest.param(svg("<g>" * 30_000 + "</g>" * 30_000), "too much", id="crash by nesting"),
        pytest.param(svg(""), "nothing to see", id="empty"),
        pytest.param(svg("<!--" + "x" * 6_000_000 + "-->"), "5 MiB", id="huge"),
    ],
)
def test_a_hostile_or_broken_drawing_is_refused(text: str, words: str) -> None:
    with pytest.raises(UnreadableImage, match=rf"(?s)^logo\.svg: .*({words})"):
        decode_image(text.encode(), "logo.svg")


def test_a_gzipped_drawing_is_never_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(svg("<!--" + " " * 50_000_000 + "-->").encode())
    with pytest.raises(UnreadableImage, match="5 MiB"):
        decode_image(bomb)
    with pytest.raises(UnreadableImage, match="cut short"):
        decode_image(gzip.compress(svg(BAR).encode())[:-12])


def test_a_drawing_that_takes_for_ever_is_given_up() -> None:
    blur = '<filter id="f"><feGaussianBlur stdDeviation="99"/></filter>'
    slow = svg(blur + '<rect filter="url(#f)" width="90" height="300"/>' * 3000)
    with pytest.raises(UnreadableImage, match="too much time"):
        decode_image(slow.encode(), drawing_s=1)
