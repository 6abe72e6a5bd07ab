"""A mark's own page, and the page for what does not exist."""

import pytest

pytestmark = pytest.mark.browser


def test_a_marks_page_shows_what_the_register_holds(page):
    page.open("/marks/EM-009")
    facts = page.text(".facts")
    for part in (
        "EM-009",
        "SIGN 9",
        "Owner & Sons Ltd",
        "2009-03-14",
        "Registered",
        "25\nClothing",
    ):
        assert part in facts
    assert "05.03.11" in page.text('[aria-labelledby="assigned-title"]')
    assert "%" in page.text('[aria-labelledby="predicted-title"]')
    loaded = "const i = document.querySelector('.plate img'); return i.complete && i.naturalWidth"
    assert page.until(lambda: page.js(loaded), "the picture does not load") == 96


def test_similar_marks_are_found_without_asking(page):
    page.open("/marks/EM-009")
    hits = page.hits()
    assert len(hits) == 20
    assert "EM-009" not in hits
    page.one(".hit-picture").click()
    assert page.one("#compare-dialog").is_displayed()
    assert "SIGN 9" in page.text("#compare-body")


def test_a_search_starts_from_the_mark_or_from_one_of_its_codes(page):
    page.open("/marks/EM-009")
    page.hits()
    page.one('[aria-labelledby="assigned-title"] a.code').click()
    page.until(lambda: page.path == "/?mark_id=EM-009&vienna_any=05.03.11", "another page opens")
    assert page.hits()
    page.open("/marks/EM-009")
    page.button("Search from this mark").click()
    page.until(lambda: page.path == "/?mark_id=EM-009", "another page opens")
    assert len(page.hits()) == 20


def test_an_unknown_mark_is_a_404_in_the_same_style(page):
    page.allowed_messages = ["404"]
    page.open("/marks/EM-999")
    assert "no mark “EM-999”" in page.text("main")
    page.button("Go to the search").click()
    page.until(lambda: page.all("#dropzone"), "the search page does not open")


def test_any_other_unknown_page_is_a_404_in_the_same_style(page):
    page.allowed_messages = ["404"]
    page.open("/no/such/page")
    assert "There is nothing here" in page.text("h1")


def test_an_unknown_mark_in_a_shared_search_address_is_said(page):
    page.allowed_messages = ["404"]
    page.open("/?mark_id=EM-999")
    assert "No such mark" in page.one('#problem [role="alert"]').text
    page.js("window.titles = fetch('/api/v1/vienna')")
    page.until(lambda: page.js("return window.titles.then(() => true)"), "no titles")
    page.settle()
    # Nothing of a query that there is not, and nothing to do with it.
    for css in ("#query", "#seen"):
        assert not page.one(css).is_displayed(), css
    for css in ("#report", "#watch"):
        assert not page.one(css).is_enabled(), css
