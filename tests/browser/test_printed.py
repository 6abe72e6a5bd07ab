"""What the pages print on A4."""

import base64

import pypdfium2
import pytest

from search_api.watch.asked import NewWatch
from search_api.watch.watching import Watching

pytestmark = pytest.mark.browser
A4 = {"paperWidth": 8.27, "paperHeight": 11.69}


def printed(page) -> list[str]:
    """The texts of the pages."""
    content = base64.b64decode(page.driver.execute_cdp_cmd("Page.printToPDF", A4)["data"])
    with pypdfium2.PdfDocument(content) as document:
        return [" ".join(one.get_textpage().get_text_range().split()) for one in document]


def test_a_search_prints_marks_from_its_first_page_on_with_data_and_weights(
    page, draw_mark, tmp_path
):
    query = tmp_path / "query.png"
    draw_mark(3).save(query)
    page.open("/?office=EM&office=GB")
    page.upload(query)
    page.until_hits(lambda ids: "EM-003" in ids)
    cards = printed(page)
    for said in ("Weights: Visual form 57 %", "Vienna codes seen", "SIGN 3"):
        assert said in cards[0], said
    assert "Clear all" not in cards[0]
    page.click('label:has([value="list"])')
    page.until(lambda: page.all(".hit-row"), "there is no list")
    rows = " ".join(printed(page))
    for said in (
        "Owner",
        "SIGN 9 EM-009 Owner & Sons Ltd EM registered 2009-03-14 2010-09-02 9, 25",
    ):
        assert said in rows, said
    page.click('label:has([value="cards"])')
    page.open("/?text=sign")
    page.hits()
    assert "Weights" not in printed(page)[0], "nothing was compared"


def test_watches_print_without_their_buttons(page, marklens):
    watching = Watching(marklens)
    watching.add(NewWatch("Printed", 0.9, ["EM-001"]))
    try:
        page.open("/watches")
        page.until(lambda: page.all("#watches h2"), "the watch is not listed")
        text = " ".join(printed(page))
    finally:
        marklens.register.watches.remove("Printed")
    assert "Printed" in text
    for said in ("New search", "Remove", "Atom feed", "Mark as read"):
        assert said not in text, said
