import numpy as np
import pytest

from models.errors import UnreadableImage
from models.synthesis.render import render_svg, stencil_of


def svg(body: str, box: str = "0 0 24 24") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{body}</svg>'


def test_a_drawing_comes_out_trimmed_at_its_size() -> None:
    image = render_svg(svg('<rect x="6" y="9" width="12" height="6"/>'), 240)
    assert image.mode == "RGBA"
    assert image.size == (120, 60)


@pytest.mark.parametrize("box", ["0 0 10 40", "0,0,40,10"])
def test_size_is_that_of_the_longer_side(box: str) -> None:
    image = render_svg(svg('<rect width="40" height="40"/>', box), 120)
    assert max(image.size) == 120
    assert min(image.size) == 30


@pytest.mark.parametrize("fill", ["", 'fill="currentColor"'])
def test_unset_and_current_colours_are_black(fill: str) -> None:
    image = render_svg(svg(f'<rect width="24" height="24" {fill}/>'), 32)
    assert image.getpixel((16, 16)) == (0, 0, 0, 255)


def test_white_over_black_is_a_hole_in_the_stencil() -> None:
    body = '<rect width="24" height="24"/><circle cx="12" cy="12" r="6" fill="#fff"/>'
    stencil = np.asarray(stencil_of(render_svg(svg(body), 96)))
    assert stencil[2, 2] == 255
    assert stencil[48, 48] == 0


@pytest.mark.parametrize(
    "text", ["", "no drawing at all", "<svg", svg(""), svg('<rect width="0" height="9"/>')]
)
def test_what_cannot_be_drawn_is_reported_by_name(text: str) -> None:
    with pytest.raises(UnreadableImage, match="my drawing"):
        render_svg(text, name="my drawing")
