"""Codes, register data and weights as filters on the search page."""

import pytest
from selenium.webdriver.common.keys import Keys

from models.vienna import ViennaCode

pytestmark = pytest.mark.browser

_CHOICES = {"any": "any", "must": "all", "not": "none"}


def _assigned(marklens, mark_id):
    return marklens.mark(mark_id).record.vienna


def _has(marklens, mark_id, code):
    wanted = ViennaCode.parse(code)
    return any(wanted.covers(held) for held in _assigned(marklens, mark_id))


def test_any_must_and_not_are_one_click_each_and_a_second_one_takes_it_away(page):
    page.open("/?mark_id=EM-001")
    unfiltered = page.hits()
    code = page.one("#seen-codes .chip.is-predicted").get_attribute("data-code")
    chip = f'#seen-codes [data-code="{code}"]'
    seen = []
    for label in ("any", "must", "not", "not"):
        page.click(f"{chip} [data-choice={_CHOICES[label]}]")
        page.settle()
        pressed = [button.text for button in page.all(f'{chip} [aria-pressed="true"]')]
        seen.append((pressed, page.path.partition("&")[2]))
    assert seen == [
        (["any"], f"vienna_any={code}"),
        (["must"], f"vienna_all={code}"),
        (["not"], f"vienna_none={code}"),
        ([], ""),
    ]
    assert page.hits() == unfiltered


def test_assigned_codes_stand_apart_from_those_seen(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.until(lambda: page.all("#seen-codes .chip.is-assigned"), "no assigned code")
    assigned = {chip.get_attribute("data-code") for chip in page.all("#seen-codes .is-assigned")}
    assert "05.03.11" in assigned
    styles = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".map(x => getComputedStyle(x).borderStyle)"
    )
    assert set(page.js(styles, "#seen-codes .is-assigned")) == {"solid"}
    assert set(page.js(styles, "#seen-codes .is-predicted")) == {"dashed"}


def test_less_certain_codes_are_folded_and_filter_like_the_others(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    offered = "#perhaps-codes .chip"
    page.until(
        lambda: page.js("return document.querySelectorAll(arguments[0]).length", offered),
        "no less certain codes",
    )
    assert not page.one(offered).is_displayed()
    page.click("#perhaps summary")
    on_top = (
        "const chip = document.querySelector(arguments[0]);"
        "const { left, bottom } = chip.getBoundingClientRect();"
        "return chip.contains(document.elementFromPoint(left + 9, bottom - 9))"
    )
    page.until(lambda: page.js(on_top, offered), "they open below what can be seen")
    code = page.one(offered).get_attribute("data-code")
    assert not page.all(f'#seen-codes [data-code="{code}"]')
    page.click(f"{offered} [data-choice=none]")
    page.until(lambda: f"vienna_none={code}" in page.path, "the code is no filter")


def test_seen_codes_stand_below_those_above_them_the_likeliest_first(page):
    page.open("/")
    page.settle()  # the page draws its own list once it has loaded
    codes = ["27", "03", "27.05", "03.05", "24", "03.01", "03.01.08", "03.05.01", "03.01.06"]
    page.js(
        """const seen = arguments[0].map((code) => ({ code, title: code }))
        const list = document.getElementById('seen-codes')
        document.getElementById('seen').hidden = false
        import('/static/js/chips.js').then(({ inTreeOrder, showChips }) =>
          showChips(list, inTreeOrder(seen), () => 'off', () => {}))""",
        codes,
    )
    page.until(lambda: len(page.all("#seen-codes .chip")) == len(codes), "no chips")
    chips = page.all("#seen-codes .chip")
    assert [chip.get_attribute("data-code") for chip in chips] == [
        "27", "27.05", "03", "03.05", "03.05.01", "03.01", "03.01.08", "03.01.06", "24",
    ]  # fmt: skip
    left = {chip.get_attribute("data-code"): chip.location["x"] for chip in chips}
    assert left["03"] == left["24"] < left["03.01"] == left["27.05"] < left["03.01.06"]


def test_excluding_a_seen_code_changes_the_results_to_marks_without_it(page, marklens):
    page.open("/?mark_id=EM-001&vienna_source=predicted")
    everything = set(page.hits())
    code = page.one("#seen-codes .chip.is-predicted").get_attribute("data-code")
    page.click(f'#seen-codes [data-code="{code}"] [data-choice=none]')
    page.settle()
    left = set(page.hits())
    assert left != everything
    assert f"not {code}" in page.text("#active-filters")
    for mark_id in left:
        confident = {str(s.code) for s in marklens.mark(mark_id).predicted if s.probability >= 0.5}
        assert code not in confident


def test_a_typed_code_is_completed_and_filters_by_the_offices_codes(page, marklens):
    page.open("/?mark_id=EM-001&vienna_source=assigned")
    page.hits()
    field = page.one("#code-input")
    field.send_keys("dogs")
    page.until(lambda: page.text(".option").startswith("03.01.08"), "the code is not offered")
    field.send_keys(Keys.ARROW_DOWN, Keys.ENTER)
    hits = page.until_hits(lambda ids: len(ids) == 6)
    assert all(_has(marklens, mark_id, "03.01.08") for mark_id in hits)
    assert "6 of 24 marks matched" in page.text("#plan")
    assert page.text(".tag.is-asked").startswith("03.01.08")


@pytest.mark.parametrize("typed", ["5.3.11", "050311", "A 5.3.11"])
def test_codes_are_read_in_any_spelling(page, typed):
    page.open("/?mark_id=EM-000")
    page.hits()
    page.until(lambda: page.js("return document.querySelector('.tag [class]') && true"), "no tags")
    page.one("#code-input").send_keys(typed)
    page.until(lambda: page.all(".option"), "no titles")
    page.one("#code-input").send_keys(Keys.ENTER)
    page.until(lambda: "vienna_any=05.03.11" in page.path, "the code is not added")


def test_a_code_outside_the_classification_is_refused_at_the_field(page):
    page.open("/?mark_id=EM-000")
    page.hits()
    page.one("#code-input").send_keys("3.77", Keys.ENTER)
    refusal = "03.77 is not in the Vienna Classification."
    page.until(lambda: page.text("#code-error") == refusal, "not refused")
    assert "vienna" not in page.path


def test_a_code_narrows_the_one_above_it_and_widens_to_it_again(page):
    page.open("/?mark_id=EM-001&vienna_any=03&vienna_source=assigned")
    page.hits()
    add = page.one("#code-input")
    page.until(lambda: page.all(".tag.is-asked span + span"), "no titles")
    add.send_keys("3.1", Keys.ENTER)
    page.until(lambda: "vienna_any=03.01&" in page.path, "the child does not take its place")
    assert "vienna_any=03&" not in page.path
    add.send_keys("24", Keys.ENTER)
    page.until(lambda: "vienna_any=03.01&vienna_any=24" in page.path, "another code is not added")
    add.send_keys("3", Keys.ENTER)
    page.until(lambda: "vienna_any=24&vienna_any=03&" in page.path, "the parent does not widen")


def test_counts_follow_the_source_of_codes_that_counts(page):
    page.open("/?mark_id=EM-001&vienna_source=assigned")
    page.hits()
    page.until(lambda: page.all(".tag"), "no titles")

    def count() -> str:
        page.click('[data-action="browse"]')
        row = '#tree-body .node[data-code="24"] .count'
        found: str = page.until(lambda: page.text(row), "no tree")
        page.one("#tree-dialog [data-action=close-dialog]").click()
        return found

    assert count() == "6"
    page.js("document.querySelector('[name=vienna_source][value=predicted]').click()")
    page.settle()
    page.until(lambda: count() == "0", "the counts are those of assigned codes")
    page.back()
    page.until(lambda: count() == "6", "the counts do not follow Back")


def _offered(page, text):
    """The codes that are offered for a typed text, with their titles."""
    field = page.one("#code-input")
    field.clear()
    field.send_keys(text)
    page.until(lambda: page.all("#code-options .option"), f"nothing is offered for {text}")
    page.settle()
    return [option.text.replace("\n", " ") for option in page.all("#code-options .option")]


def test_everyday_words_are_offered_codes_whole_words_first(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    assert _offered(page, "lion")[0].startswith("03.01.01 Lions")
    assert _offered(page, "tiara")[0].startswith("24.09 Crowns, diadems tiara")
    assert _offered(page, "puppy")[0].startswith("03.01.08 Dogs, wolves, foxes puppy")
    cats = _offered(page, "cat")
    caterpillars = [line for line in cats if "Caterpillars" in line]
    assert cats[0].startswith("03.01.06")
    assert not caterpillars or cats.index(caterpillars[0]) > 1
    page.one("#code-input").clear()
    page.one("#code-input").send_keys("aeroplane", Keys.ARROW_DOWN, Keys.ENTER)
    page.until(lambda: page.all('#added-codes [data-code="18.05.01"]'), "the code is not added")
    page.one("#code-input").send_keys("xyzzy", Keys.ENTER)
    page.until(lambda: "xyzzy" in page.text("#code-error"), "nothing says that none was found")


def test_counts_beside_filters_are_those_under_the_search(page, marklens):
    page.open("/?mark_id=EM-001")
    page.hits()

    def counts(name):
        script = (
            "return [...document.querySelectorAll(`[data-count-of=${arguments[0]}]`)].map(x =>"
            " [x.parentElement.querySelector('input').value, x.textContent])"
        )
        return {value: int(count) for value, count in page.js(script, name)}

    def held(name, keep):
        marks = [mark for mark in marklens.register.every_mark() if keep(mark.record)]
        found = {}
        for mark in marks:
            value = getattr(mark.record, name)
            for one in value if isinstance(value, tuple) else (value,):
                found[str(one)] = found.get(str(one), 0) + 1
        return found

    def shows(name, expected):
        return {value: n for value, n in counts(name).items() if n} == expected

    everyone = held("office", lambda _: True)
    page.until(lambda: shows("office", everyone), "the counts are of another search")
    page.click('[name="status"][value="expired"]')
    expired = held("office", lambda record: record.status == "expired")
    page.until(lambda: shows("office", expired), "the counts do not follow the filter")
    assert shows("status", held("status", lambda _: True)), "its own filter is left out"
    page.one("#nice-fold summary").click()
    classes = held("nice", lambda record: record.status == "expired")
    assert shows("nice", classes)
    labels = page.all(".nice")
    assert len(labels) == 45
    assert "Clothing" in labels[24].text
    page.back()
    page.until(lambda: shows("office", everyone), "the counts do not follow Back")


def test_filters_by_register_data_leave_the_marks_that_pass(page, marklens):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.one('[name="status"][value="registered"]').click()
    page.one("#nice-fold summary").click()
    page.one('[name="nice"][value="25"]').click()
    page.js(
        "for (const [name, day] of [['filed_from', '2010-01-01'], ['registered_to', '2020-12-31']])"
        " { const field = document.querySelector(`[name=${name}]`); field.value = day;"
        " field.dispatchEvent(new Event('change', {bubbles: true})) }"
    )
    page.one('#filters [name="text"]').send_keys("sign")
    page.one('#filters [name="owner"]').send_keys("owner")  # before the words are taken up
    expected = {"EM-011", "EM-013", "EM-015", "EM-017", "EM-019"}
    page.until(lambda: "owner=owner" in page.path, "the owner is no filter")
    page.until_hits(lambda ids: set(ids) == expected)
    for part in (
        "status=registered",
        "nice=25",
        "filed_from=2010-01-01",
        "registered_to=2020-12-31",
        "text=sign",
        "owner=owner",
    ):
        assert part in page.path
    assert page.text("#nice-value") == "25"
    address = page.path
    page.open(address)
    assert set(page.hits()) == expected
    assert page.one('#filters [name="text"]').get_attribute("value") == "sign"
    assert page.one('[name="status"][value="registered"]').is_selected()


def test_an_active_filter_is_removed_by_a_click_on_it(page):
    page.open("/?mark_id=EM-001&status=expired&office=EM&vienna_none=05")
    few = page.hits()
    chips = [chip.text for chip in page.all("#active-filters .filter-chip")]
    assert [chip.split()[0] for chip in chips] == ["not", "expired", "EM", "Clear"]
    page.button("EM").click()
    more = page.until_hits(lambda ids: len(ids) >= len(few) and "office" not in page.path)
    assert set(few) <= set(more)
    page.button("Clear all").click()
    page.until_hits(lambda ids: len(ids) == 20)
    assert page.path == "/?mark_id=EM-001"


def test_filters_that_no_mark_passes_are_said_and_can_be_cleared(page):
    page.open("/?mark_id=EM-001&office=FR")
    page.until(lambda: page.text(".empty"), "nothing says that nothing was found")
    assert "No mark passes all of the filters" in page.text(".empty")
    assert "0 of 24 marks matched" in page.text("#plan")
    page.button("Clear all filters").click()
    assert len(page.until_hits(lambda ids: len(ids) > 0)) == 20
    page.open("/?text=xyzzy")
    page.until(lambda: page.text(".empty"), "nothing says that no words are alike")
    assert "No mark has words like “xyzzy”" in page.text(".empty")


def test_back_undoes_the_last_filter(page):
    page.open("/?mark_id=EM-001")
    everything = page.hits()
    page.one('[name="status"][value="expired"]').click()
    page.until_hits(lambda ids: len(ids) == 4)
    page.driver.back()
    page.until_hits(lambda ids: ids == everything)
    assert not page.one('[name="status"][value="expired"]').is_selected()


def test_weights_change_the_ranking_and_say_their_share(page):
    page.open("/?mark_id=EM-001")
    usual = page.hits()
    shares = [out.text for out in page.all(".slider output")]
    assert shares == [
        "57 %",
        "29 %",
        "14 %",
        "none",
        "0.15",
        "0.30",
    ]  # no words are asked for; places and same codes stand alone
    for selector in ("[data-block=visual]", "[data-block=concept]", "[data-alone=same_codes]"):
        page.js(
            "const slider = document.querySelector(arguments[0]);"
            "slider.value = 0; slider.dispatchEvent(new Event('input', {bubbles: true}))",
            selector,
        )
    page.until(
        lambda: "weights=visual=0,concept=0,same_codes=0" in page.path, "no weights in the address"
    )
    by_colour = page.until_hits(lambda ids: ids != usual)
    scores = [float(value.text) for value in page.all(".hit-value")]
    colours = [float(block.text.split()[0]) for block in page.all(".block:nth-child(3)")]
    assert scores == pytest.approx(colours, abs=0.006)
    page.button("Default weights").click()
    assert page.until_hits(lambda ids: ids != by_colour) == usual


def test_places_and_same_codes_are_weighed_or_switched_off(page):
    page.open("/?mark_id=EM-001")
    usual = page.hits()
    assert "ranked again" in page.text("#plan")
    for name, weights in {"places": "places=0", "same_codes": "places=0,same_codes=0"}.items():
        page.js(
            f"const slider = document.getElementById('weight-{name}');"
            "slider.value = 0; slider.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        wanted = f"weights={weights}"
        page.until(lambda wanted=wanted: wanted in page.path, "the weight is not in the address")
        assert page.text(f".slider:has(#weight-{name}) output") == "off"
        page.settle()
    assert "ranked again" not in page.text("#plan")
    page.back()
    page.until(lambda: page.text(".slider:has(#weight-same_codes) output") == "0.30", "still off")
    assert page.text(".slider:has(#weight-places) output") == "off"
    page.button("Default weights").click()
    page.until_hits(lambda ids: ids == usual)
    assert page.text(".slider:has(#weight-places) output") == "0.15"
    assert page.text(".slider:has(#weight-same_codes) output") == "0.30"
