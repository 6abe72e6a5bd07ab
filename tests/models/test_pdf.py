"""Pages of PDFs as pictures: drawn in processes that may be lost, refused with a clear cause."""

from io import BytesIO

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from models.errors import UnreadableImage
from models.images import decode_image, full_size, media_type, page_count

RED, BLUE = (1, 0, 0), (0, 0, 1)


def document(*colours: tuple[int, int, int], encryption: StandardEncryption | None = None) -> bytes:
    """A PDF of 300 by 200 points, a page with a square for each colour."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=(300, 200), encrypt=encryption)
    for colour in colours:
        canvas.setFillColorRGB(*colour)
        canvas.rect(100, 50, 100, 100, stroke=0, fill=1)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def test_a_page_is_drawn_on_white_with_its_longest_side_2048_pixels() -> None:
    content = document(RED, BLUE)
    first, second = (decode_image(content, "a.pdf", page) for page in (1, 2))
    assert first.size == second.size == full_size(first) == (2048, 1366)
    assert (first.mode, page_count(first), page_count(second)) == ("RGB", 2, 2)
    assert first.getpixel((1024, 683)) == (255, 0, 0)
    assert second.getpixel((1024, 683)) == (0, 0, 255)
    assert first.getpixel((5, 5)) == (255, 255, 255)
    assert media_type(content) == "application/pdf"


def test_an_open_document_that_only_its_owner_may_change_is_drawn() -> None:
    content = document(RED, encryption=StandardEncryption("", "owner"))
    assert decode_image(content).getpixel((1024, 683)) == (255, 0, 0)


def endless() -> bytes:
    """A page whose content draws for minutes: forms that draw each other, ten times each."""
    forms = []
    for number in range(12):
        below = b"/F Do " * 10 if number else b"0 0 9 9 re f "
        uses = b"/Resources<</XObject<</F %d 0 R>>>>" % (number + 3) if number else b""
        head = b"<</Type/XObject/Subtype/Form/BBox[0 0 300 200]%s/Length %d>>" % (uses, len(below))
        forms.append(b"%d 0 obj%sstream\n%sendstream endobj\n" % (number + 4, head, below))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 16 0 R"
    content = b"/F Do"
    return b"".join(
        (
            b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n",
            b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj",
            page + b"/Resources<</XObject<</F 15 0 R>>>>>>endobj\n",
            *forms,
            b"16 0 obj<</Length %d>>stream\n%s\nendstream endobj\n" % (len(content), content),
            b"trailer<</Root 1 0 R>>\n%%EOF\n",
        )
    )


@pytest.mark.parametrize(
    ("content", "page", "said"),
    [
        (document(RED), 2, r"no page 2; the picture has 1 page$"),
        (document(RED, encryption=StandardEncryption("user", "owner")), 1, "encrypted.*password"),
        (document(RED)[:200], 1, "damaged or cut short"),
        (b"%PDF-1.7 ...", 1, "damaged or cut short"),
        (b"%PDF-1.7" + bytes(33 << 20), 1, "more than 32 MiB"),
        (endless(), 1, "too much time or memory"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(content: bytes, page: int, said: str) -> None:
    with pytest.raises(UnreadableImage, match=rf"^a\.pdf: .*{said}"):
        decode_image(content, "a.pdf", page)
