"""Words asked for beside a picture: part of the score, or what leaves marks out; and refusals."""

import pytest

pytestmark = pytest.mark.browser

_SLIDE = """
const slider = document.getElementById(arguments[0])
slider.value = arguments[1]
slider.dispatchEvent(new Event('input', {bubbles: true}))
"""
_TOO_WIDE = (
    "return [...document.querySelectorAll('.blocks')].some(x => x.scrollWidth > x.clientWidth)"
)
_SHARE = ".slider:has(#weight-words) output"


def test_words_are_ranked_beside_the_picture_and_every_view_says_how_they_match(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    slider = page.one("#weight-words")
    assert (slider.is_enabled(), page.text(_SHARE)) == (False, "none")
    page.one('#filters [name="text"]').send_keys("sing 17")
    hits = page.until_hits(lambda ids: ids[0] == "EM-017")
    assert len(hits) == 20
    assert "23 of 24 marks matched" in page.text("#plan")
    assert (slider.is_enabled(), page.text(_SHARE)) == (True, "36 %")
    said = page.text(".hit .tag.is-part")
    assert said == "2 letters differ" or "alike" in said or "differs" in said
    assert page.all(".hit .block-name")[3].text == "Words"
    assert not page.js(_TOO_WIDE)
    page.one('[name="density"][value="list"]').find_element("xpath", "..").click()
    page.until(lambda: page.text(".hit-row .hit-match") == said, "the list does not say it")
    page.one(".hit-picture").click()
    page.until(lambda: said in page.text(".comparison-scores"), "Compare does not say it")
    page.one("#compare-dialog [data-action=close-dialog]").click()
    page.js(_SLIDE, "weight-words", 0)
    page.until(lambda: "weights=words=0" in page.path, "no weight in the address")
    page.until(lambda: "23 of 24" not in page.text("#plan"), "no mark is left out")
    listed = page.one("#beside-words a")
    assert listed.text == "Marks without a picture, too: list by “sing 17”"
    listed.click()
    page.until(lambda: page.text("#results-title") == "Marks found", "no list by words")
    assert "mark_id" not in page.path
    assert not page.text("#beside-words")


def test_a_refusal_says_what_to_change_in_the_language_of_the_page(page):
    page.allowed_messages += ["422", "counts: "]
    page.speak("fr")
    page.open("/?mark_id=EM-001&filed_to=2005-01-01")
    page.hits()
    status = "return document.getElementById('status').textContent"
    page.until(lambda: page.js(status), "no number of hits")
    page.js(
        "const day = document.querySelector('[name=filed_from]'); day.value = '2020-01-01';"
        "day.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    page.until(lambda: page.text("#problem"), "no refusal")
    assert page.text("#problem .alert").splitlines() == [
        "La première date est postérieure à la dernière",
        "Changez l’une des deux dates.",
    ]
    assert not page.js(status)
    page.open("/?mark_id=EM-001&weights=visual=0,concept=0,colour=0")
    page.until(lambda: page.text("#problem").startswith("Rien n’a de poids"), "no refusal")
