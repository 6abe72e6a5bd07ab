"""Steps of the search page: back and forward, the address, the way home."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.browser


@pytest.fixture
def logo(
    tmp_path: Path, draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]
) -> Path:
    """A file with the picture of the mark EM-007."""
    path = tmp_path / "logo.png"
    path.write_bytes(as_png(draw_mark(7)))
    return path


def scroll_to_the_end(page):
    page.js("document.getElementById('more').scrollIntoView()")


def _top(page):
    return round(page.js("return scrollY"))


def test_back_after_search_from_this_leads_to_the_hit_it_began_at(page):
    page.open("/?mark_id=EM-001")
    first = page.hits()
    page.js("scrollTo({top: 900, behavior: 'instant'})")
    link = page.all(".hit-actions a")[2 * 14]
    link.click()
    page.until_hits(lambda ids: first[14] not in ids)
    assert _top(page) == 0
    page.back()
    page.until_hits(lambda ids: ids[:20] == first)
    page.until(lambda: abs(_top(page) - 900) < 120, "the page is not scrolled to where it was")
    focused = "return document.activeElement.closest('.hit')?.dataset.id"
    assert page.js(focused) == first[14]
    page.driver.forward()
    page.until_hits(lambda ids: first[14] not in ids)
    page.until(lambda: _top(page) == 0, "forward does not lead to the top again")


def test_back_from_a_marks_page_leads_to_the_hit_it_was_opened_from(page):
    page.open("/?mark_id=EM-001")
    first = page.hits()
    page.js("scrollTo({top: 700, behavior: 'instant'})")
    page.all(".hit-actions a")[2 * 12 + 1].click()
    page.until(lambda: page.path == f"/marks/{first[12]}", "the mark's page does not open")
    page.back()
    page.until_hits(lambda ids: ids[:20] == first)
    page.until(lambda: abs(_top(page) - 700) < 120, "the page is not scrolled to where it was")


def test_words_typed_just_before_search_from_this_are_there_after_back(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.one('#filters [name="text"]').send_keys("sign")
    page.js("document.querySelector('.hit-actions a').click()")
    page.until(lambda: "mark_id=EM-001" not in page.path, "no search from the hit")
    assert "text=sign" in page.path
    page.back()
    page.until(lambda: page.path == "/?mark_id=EM-001&text=sign", "the words are lost")
    assert page.one('#filters [name="text"]').get_attribute("value") == "sign"


def test_back_undoes_one_edit_after_the_other(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.one('#filters [name="text"]').send_keys("sig")
    page.until(lambda: page.path.endswith("text=sig"), "the words are no filter")
    page.one('#filters [name="text"]').send_keys("n 1")
    page.until(lambda: page.path.endswith("text=sign+1"), "the words are no filter")
    page.js(
        "const slider = document.querySelector('[data-block=concept]');"
        "slider.value = 0; slider.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    page.until(lambda: "weights=concept=0" in page.path, "the weight is not in the address")
    page.back()
    page.until(lambda: page.path == "/?mark_id=EM-001&text=sign+1", "the weight is not undone")
    page.back()
    page.until(lambda: page.path == "/?mark_id=EM-001", "typing is not undone in one step")
    assert page.one('#filters [name="text"]').get_attribute("value") == ""


def test_back_brings_a_removed_picture_back_and_closes_a_dialog(page, logo):
    page.open()
    page.upload(logo)
    first = page.hits()
    page.click('[data-action="clear-query"]')
    assert page.one("#welcome").is_displayed()
    late = "document.getElementById('query-image').dispatchEvent(new Event(arguments[0]))"
    for event in ("load", "error"):
        page.js(late, event)
    page.back()
    page.until_hits(lambda ids: ids == first)
    page.one(".hit-picture").click()
    page.back()
    page.until(lambda: not page.all("dialog[open]"), "the dialog stays open")
    assert page.hits() == first
    page.back()
    page.until(lambda: page.one("#welcome").is_displayed(), "the start page is not shown")


FILTERED = "/?mark_id=EM-001&status=registered"


def test_back_closes_a_dialog_and_undoes_nothing_behind_it(page):
    page.open("/?mark_id=EM-001")
    first = page.hits()
    page.click('[name="status"][value="registered"]')
    filtered = page.until_hits(lambda ids: ids != first)
    for opens in (".hit-picture", '[data-action="crop"]', "#shortlist", '[data-action="browse"]'):
        page.click(opens)
        page.until(lambda: page.all("dialog[open]"), f"{opens} opens nothing")
        page.back()
        page.until(lambda: not page.all("dialog[open]"), f"what {opens} opened stays")
        assert (page.path, page.hits()) == (FILTERED, filtered)
    page.click("#shortlist")
    page.one("#shortlist-dialog [data-action=close-dialog]").click()
    page.until(lambda: page.js("return !history.state.dialog"), "its step stays")
    page.crop(10, 10, 60, 60)  # chosen as the dialog closes
    page.until(lambda: "crop=10" in page.path, "the crop is not searched for")
    page.back()
    page.until_hits(lambda ids: ids == filtered)
    page.back()
    page.until_hits(lambda ids: ids[:20] == first)
    assert page.path == "/?mark_id=EM-001"


def test_on_a_phone_back_closes_the_filters_and_then_undoes_what_was_chosen_there(page):
    page.resize(390, 844)
    page.open("/?mark_id=EM-001")
    first = page.hits()
    page.click('#results [data-action="filters"]')
    page.click('[name="status"][value="registered"]')
    filtered = page.until_hits(lambda ids: ids != first)
    page.click('#filter-sheet [data-action="browse"]')
    page.back()
    page.until(lambda: not page.one("#tree-dialog").is_displayed(), "the codes stay")
    assert page.one("#filter-sheet").is_displayed()
    page.back()
    page.until(lambda: not page.all("dialog[open]"), "the filters stay on show")
    assert (page.path, page.hits()) == (FILTERED, filtered)
    page.click(".hit-picture")
    page.until(lambda: page.all("dialog[open]"), "no comparison")
    page.driver.refresh()
    page.until_hits(lambda ids: ids == filtered)
    page.back()
    page.until_hits(lambda ids: ids[:20] == first)
    assert page.path == "/?mark_id=EM-001"


def test_the_logo_leads_home_from_an_uploaded_picture(page, logo):
    page.open()
    page.upload(logo)
    page.hits()
    page.one(".brand").click()
    assert page.one("#welcome").is_displayed()
    assert page.all(".hit") == []


def test_the_logo_leads_home_without_filters_and_back_undoes_that(page):
    page.open("/?mark_id=EM-001&status=registered")
    page.hits()
    page.one(".brand").click()
    assert page.one("#welcome").is_displayed()
    assert page.path == "/"
    assert not page.one('[name="status"][value="registered"]').is_selected()
    page.back()
    page.until(lambda: "status=registered" in page.path, "back does not undo the way home")
    assert page.hits()


def test_skipping_to_the_content_keeps_an_uploaded_picture(page, logo):
    page.open()
    page.upload(logo)
    hits = page.hits()
    page.js("document.querySelector('.skip').click()")
    page.settle()
    assert page.hits() == hits
    assert page.js("return document.activeElement.id") == "content"


def test_a_status_with_a_comma_is_one_value_in_the_address(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    for status in ("opposed, pending", "expired"):
        page.one(f'[name="status"][value="{status}"]').click()
    expected = {"EM-000", "EM-006", "EM-012", "EM-018", "EM-022"}
    page.until_hits(lambda ids: set(ids) == expected)
    assert "status=expired&status=opposed" in page.path
    page.open(page.path)
    assert set(page.hits()) == expected
    chips = [chip.text for chip in page.all("#active-filters .filter-chip")]
    assert chips == ["expired", "opposed, pending", "Clear all"]


def test_lists_that_older_addresses_join_by_commas_are_still_read(page):
    page.open("/?mark_id=EM-001&vienna_any=24.09,05&nice=9,42")
    page.hits()
    chips = [chip.text.split()[:2] for chip in page.all("#active-filters .filter-chip")]
    assert chips[:3] == [["any", "24.09"], ["any", "05"], ["Nice", "classes"]]


def test_values_in_an_address_that_no_control_offers_are_shown_and_kept(page):
    page.open("/?mark_id=EM-001&min_probability=0.3&status=withdrawn&vienna_any=03")
    page.until(lambda: page.text(".empty"), "a status that no mark has finds something")
    shown = "return document.getElementsByName('min_probability')[0].selectedOptions[0]?.text"
    assert page.js(shown) == "30 %"
    page.one('[name="status"][value="registered"]').click()
    page.until(lambda: "status=registered&status=withdrawn" in page.path, "a value is lost")
    assert "min_probability=0.3" in page.path
    page.settle()
    page.button("withdrawn").click()
    assert page.until_hits(lambda ids: len(ids) > 0)


def test_back_leads_to_a_hit_far_down_the_list(page):
    page.open("/?mark_id=EM-001")
    first = page.hits()
    scroll_to_the_end(page)
    everything = page.until_hits(lambda ids: len(ids) == 23)
    assert everything[:20] == first
    page.all(".hit-actions a")[2 * 22].click()
    page.until_hits(lambda ids: everything[22] not in ids)
    page.back()
    page.until_hits(lambda ids: ids == everything)
    focused = "return document.activeElement.closest('.hit')?.dataset.id"
    page.until(lambda: page.js(focused) == everything[22], "the focus is not where it was")


def test_older_addresses_that_say_how_many_marks_are_still_read(page):
    page.open("/?mark_id=EM-001&k=1000")
    assert len(page.hits()) == 20
    scroll_to_the_end(page)
    assert len(page.until_hits(lambda ids: len(ids) > 20)) == 23


def test_what_an_address_makes_up_is_shown_as_it_is_in_any_language(page):
    page.allowed_messages = ["422", "counts: vienna_source"]
    page.speak("fr")
    page.open("/?text=sign&filed_from=abc&status=constructor&vienna_any=26&vienna_source=toString")
    page.until(lambda: page.all("#problem [role=alert]"), "the refusal is not shown")
    chips = page.text("#active-filters")
    assert all(made_up in chips for made_up in ("abc", "constructor", "toString"))
