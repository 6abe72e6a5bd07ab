"""Codes chosen from the Vienna Classification and by subject: any, must, not."""

import pytest
from selenium.webdriver.common.keys import Keys

from models.vienna import ViennaCode

pytestmark = pytest.mark.browser


def _choose(page, code, choice):
    """Press a button of a code in the tree."""
    page.one(f'#tree-body [data-code="{code}"] [data-choice={choice}]').click()


def _chosen(page):
    """The codes of the tree's rows that are chosen, and how."""
    pressed = page.all('#tree-body [aria-pressed="true"]')
    row = "return arguments[0].closest('.node').dataset.code"
    return {page.js(row, button): button.get_attribute("data-choice") for button in pressed}


def _find(page, text):
    """Find codes in the tree by a subject."""
    field = page.one("#tree-filter")
    field.clear()
    field.send_keys(text)


def test_leafing_through_the_classification_adds_a_code(page, marklens):
    page.open("/?mark_id=EM-001&vienna_source=assigned")
    page.hits()
    page.until(lambda: page.all(".tag"), "no titles")
    page.button("Browse").click()
    page.until(lambda: page.all("#tree-body .node"), "no tree")
    crowns = next(row for row in page.all("#tree-body .node") if row.text.startswith("24"))
    assert crowns.text.endswith("6")
    crowns.find_element("css selector", ".node-toggle").click()
    _choose(page, "24", "any")
    _choose(page, "24.09", "any")
    assert _chosen(page) == {"24.09": "any"}, "it narrows the one above it"
    page.one("#tree-dialog [data-action=close-dialog]").click()
    hits = page.until_hits(lambda ids: len(ids) == 6)
    crowns = ViennaCode.parse("24.09")
    held = [marklens.mark(mark_id).record.vienna for mark_id in hits]
    assert all(any(map(crowns.covers, codes)) for codes in held)


def test_all_of_a_division_but_one_of_its_codes_is_chosen_in_that_order(page):
    page.open("/?mark_id=EM-001&vienna_source=assigned")
    page.hits()
    page.until(lambda: page.all(".tag"), "no titles")
    page.button("Browse").click()
    _find(page, "3.1")
    page.until(lambda: page.all('#tree-body [data-code="03.01.08"]'), "no codes")
    _choose(page, "03.01", "any")
    _choose(page, "03.01.08", "any")
    _choose(page, "03.01.08", "none")
    assert _chosen(page) == {"03.01": "any", "03.01.08": "none"}, "the one above it is gone"
    assert "vienna_any=03.01&vienna_none=03.01.08" in page.path
    _choose(page, "03.01.08", "any")
    _choose(page, "03.01.06", "any")
    _choose(page, "03.01.08", "all")
    assert _chosen(page) == {"03.01.06": "any", "03.01.08": "all"}, "03.01.06 narrows it, too"
    _choose(page, "03.01.06", "any")  # pressed again: off
    assert _chosen(page) == {"03.01": "any", "03.01.08": "all"}
    page.one("#tree-dialog [data-action=close-dialog]").click()
    page.settle()
    codes = ":is(#seen-codes, #added-codes)"
    chip = f'{codes} [data-code="03.01"] [data-choice=any][aria-pressed="true"]'
    page.one("#code-input").send_keys("3.1.6", Keys.ENTER)
    page.until(lambda: not page.all(chip), "the chip does not narrow")
    page.back()
    page.until(lambda: page.all(chip), "Back does not undo it")
    page.driver.forward()
    page.until(lambda: not page.all(chip), "the step is not done again")
    page.click(f'{codes} [data-code="03.01.06"] [data-choice=none]')
    page.until(lambda: "vienna_any=03.01&" in page.path, "it does not come back at the chips")


def test_the_tree_says_by_which_word_and_enter_takes_the_first_that_is_whole(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.until(lambda: page.all(".tag"), "no titles")
    page.button("Browse").click()
    _find(page, "swoosh")
    row = '#tree-body [data-code="26.11.12"] .node-name'
    page.until(lambda: page.all(row), "no codes")
    assert page.text(row).endswith("swoosh")
    page.one("#tree-dialog [data-action=close-dialog]").click()
    page.settle()
    for asked, code in {"tiara": "24.09", "chien": "03.01.08"}.items():
        page.one("#code-input").send_keys(asked, Keys.ENTER)
        added = (
            f'#added-codes [data-code="{code}"], #seen-codes [data-code="{code}"][data-state=any]'
        )
        page.until(lambda added=added: page.all(added), "the first is not taken")
    page.one("#code-input").send_keys("crwon", Keys.ENTER)
    page.until(lambda: "arrow keys" in page.text("#code-error"), "a guess is taken")
