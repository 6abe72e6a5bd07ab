"""Pictures that let the paper through: what they are laid on."""

from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw

from models.errors import UnreadableImage
from models.images import decode_image

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
AsPng = Callable[[Image.Image], bytes]
OnNothing = Callable[[Callable[[ImageDraw.ImageDraw], None]], Image.Image]


@pytest.fixture
def on_nothing(as_png: AsPng) -> OnNothing:
    """A function (draw) → how a transparent sheet that `draw` was given a pen for is decoded."""

    def decoded(draw: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
        image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        draw(ImageDraw.Draw(image))
        return decode_image(as_png(image))

    return decoded


def test_a_dark_sign_on_nothing_lies_on_white_paper(on_nothing: OnNothing) -> None:
    assert on_nothing(lambda pen: pen.ellipse((9, 9, 54, 54), fill=BLUE)).getpixel((0, 0)) == WHITE


def test_a_white_sign_on_nothing_lies_on_black(on_nothing: OnNothing) -> None:
    image = on_nothing(lambda pen: pen.ellipse((9, 9, 54, 54), fill=WHITE))
    assert (image.getpixel((0, 0)), image.getpixel((32, 32))) == (BLACK, WHITE)


def test_a_white_sign_with_a_coloured_dot_lies_on_black(on_nothing: OnNothing) -> None:
    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle((4, 20, 50, 40), fill=WHITE)
        pen.ellipse((52, 34, 60, 42), fill=RED)

    assert on_nothing(draw).getpixel((0, 0)) == BLACK


def test_a_white_figure_with_a_dark_outline_lies_on_white_paper(on_nothing: OnNothing) -> None:
    image = on_nothing(lambda pen: pen.ellipse((4, 4, 60, 60), fill=WHITE, outline=BLACK, width=3))
    assert image.getpixel((0, 0)) == WHITE


def test_a_white_card_with_rounded_corners_lies_on_white_paper(on_nothing: OnNothing) -> None:
    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.rounded_rectangle((0, 0, 63, 63), 8, fill=WHITE)
        pen.rectangle((20, 20, 43, 43), fill=RED)

    assert on_nothing(draw).getpixel((0, 0)) == WHITE


def test_colours_hidden_under_full_transparency_do_not_show(as_png: AsPng) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (16, 16, 48, 48))
    assert decode_image(as_png(image)).getpixel((0, 0)) == WHITE


def test_a_wholly_transparent_picture_is_refused(as_png: AsPng) -> None:
    content = as_png(Image.new("RGBA", (64, 64), (9, 9, 9, 0)))
    with pytest.raises(UnreadableImage, match=r"ghost\.png: every pixel is transparent"):
        decode_image(content, "ghost.png")
