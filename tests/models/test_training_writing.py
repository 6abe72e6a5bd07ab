from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from models.errors import MissingPackage
from models.synthesis.elements import Stencil
from models.synthesis.fonts import FontBook
from models.synthesis.invented_words import (
    ALPHABETS,
    Script,
    invent_letters,
    invent_number,
    invent_word,
)
from models.synthesis.lettering import Scribe, interlaced, outlined, receding, shaded, written
from models.vienna import ViennaCode

PICTURE = Stencil(Image.new("L", (60, 60), 255), frozenset({ViennaCode(3, 1)}), (("set", "cat"),))


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> FontBook:
    """The one font that Pillow carries in itself: Latin only."""
    default = ImageFont.load_default(20)
    assert isinstance(default, ImageFont.FreeTypeFont)
    folder: Path = tmp_path_factory.mktemp("fonts")
    (folder / "default.ttf").write_bytes(default.font_bytes)
    return FontBook([folder])


def test_a_folder_without_fonts_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    with pytest.raises(MissingPackage, match="apt-get install"):
        FontBook([tmp_path])


def test_a_font_is_listed_only_for_scripts_it_draws(book: FontBook) -> None:
    assert "latin" in book.scripts
    assert "arabic" not in book.scripts
    assert "cjk" not in book.scripts


@pytest.mark.parametrize("script", list(ALPHABETS))
def test_words_use_letters_of_their_script_only(script: Script) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        word = invent_word(rng, script)
        assert word
        assert set(word) <= set(ALPHABETS[script])


def test_cyrillic_and_greek_words_cannot_be_read_as_latin() -> None:
    lookalikes = {"cyrillic": set("АВЕКМНОРСТУХаеорсухикт"), "greek": set("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαιονυκ")}
    rng = np.random.default_rng(4)
    for _ in range(60):
        for script in ("cyrillic", "greek"):
            word = invent_word(rng, script)  # type: ignore[arg-type]
            assert set(word) - lookalikes[script], word


def test_numbers_have_digits_and_monograms_letters() -> None:
    rng = np.random.default_rng(5)
    assert all(invent_number(rng)[0] in "123456789" for _ in range(100))
    assert all(invent_letters(rng).isalpha() for _ in range(100))


def test_writing_is_trimmed_and_styles_differ(book: FontBook) -> None:
    font = book.pick(np.random.default_rng(0))
    styles = [
        written("Nova", font),
        written("Nova", font, spacing=0.4),
        outlined("Nova", font),
        shaded("Nova", font),
        interlaced("NO", font, 0.2),
        receding(written("Nova", font), 0.4, to_right=True),
    ]
    for mask in styles:
        assert mask.getbbox() == (0, 0, *mask.size)
    assert len({mask.tobytes() for mask in styles}) == len(styles)


def test_receding_writing_is_lower_at_its_small_end(book: FontBook) -> None:
    mask = np.asarray(receding(Image.new("L", (200, 60), 255), 0.4, to_right=True)) > 127
    heights = mask.sum(axis=0)
    assert heights[-1] < 0.5 * heights[0]


def test_each_kind_of_writing_carries_its_codes(book: FontBook) -> None:
    scribe = Scribe(book)
    rng = np.random.default_rng(6)
    for _ in range(20):
        assert {str(c) for c in scribe.word(rng).part.codes} >= {"27.05"}
        assert {str(c) for c in scribe.figure(rng).part.codes} >= {"27.05", "27.01"}
        assert {str(c) for c in scribe.number(rng).part.codes} >= {"27.07"}
        monogram = scribe.monogram(rng)
        section = "27.05.21" if len(monogram.text) == 1 else "27.05.22"
        assert {str(c) for c in monogram.part.codes} == {"27.05", section}


def test_a_line_with_digits_has_numerals(book: FontBook) -> None:
    scribe, rng = Scribe(book), np.random.default_rng(7)
    assert ViennaCode(27, 7) in scribe.line(rng, "since 1987").part.codes
    assert ViennaCode(27, 7) not in scribe.line(rng, "Design").part.codes


def test_a_picture_in_place_of_a_letter_represents_it(book: FontBook) -> None:
    rebus = Scribe(book).rebus(np.random.default_rng(8), PICTURE)
    assert {str(c) for c in rebus.part.codes} >= {"03.01", "27.03", "27.03.03", "27.05"}
    assert rebus.part.members == PICTURE.members
