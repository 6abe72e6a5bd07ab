"""Chromium with JavaScript off: the form searches, lists and filters, and results have pages."""

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

pytestmark = pytest.mark.browser


@pytest.fixture
def bare(page: Any) -> Any:
    """A page that runs no scripts of its own."""
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield page
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    page.open("/")  # where the fixture's last script runs


def _shown(page: Any) -> list[str]:
    """Ids of the marks of the page."""
    links = page.driver.find_elements(By.CSS_SELECTOR, "a.hit-picture")
    return [link.get_attribute("href").rpartition("/")[2] for link in links]


def _fill(page: Any, **values: str) -> None:
    for name, value in values.items():
        field = page.driver.find_element(By.CSS_SELECTOR, f'.plain-form [name="{name}"]')
        if field.get_attribute("type") != "file":
            field.clear()
        field.send_keys(value)


def _follow(page: Any, css: str) -> None:
    before = page.driver.find_element(By.TAG_NAME, "html")
    page.driver.find_element(By.CSS_SELECTOR, css).click()
    page.until(
        lambda: page.driver.find_element(By.TAG_NAME, "html") != before, f"{css} goes nowhere"
    )


SUBMIT = ".plain-form [type=submit]"


def test_a_picture_is_searched_with_filtered_and_its_results_paged(
    bare: Any, tmp_path: Path, draw_mark: Any
) -> None:
    draw_mark(7).save(tmp_path / "logo.png")
    bare.open("/")
    _fill(bare, image=str(tmp_path / "logo.png"), k="10")
    _follow(bare, SUBMIT)
    first = _shown(bare)
    assert (len(first), first[0]) == (10, "EM-007")
    assert bare.driver.find_elements(By.CSS_SELECTOR, "[rel=prev]") == []
    _follow(bare, "[rel=next]")  # by the handle of the picture, which is not sent again
    second = _shown(bare)
    assert len(second) == 10
    assert set(second).isdisjoint(first)
    assert bare.driver.find_element(By.CSS_SELECTOR, ".hit-rank").text == "11"
    _follow(bare, "[rel=next]")
    assert len(_shown(bare)) == 4
    assert bare.driver.find_elements(By.CSS_SELECTOR, "[rel=next]") == []
    _follow(bare, "[rel=prev]")
    assert _shown(bare) == second
    bare.photograph("without-scripts")
    _fill(bare, owner="Sons")
    _follow(bare, SUBMIT)
    assert _shown(bare)[0] == "EM-007", "the same picture is compared, from the first hit on"
    assert all(int(mark_id[3:]) % 2 for mark_id in _shown(bare))
    owner = bare.driver.find_element(By.CSS_SELECTOR, '.plain-form [name="owner"]')
    assert owner.get_attribute("value") == "Sons"


def test_marks_are_listed_by_words_and_a_mark_finds_others(bare: Any) -> None:
    bare.open("/?text=sign&order=-filed")  # sorted by who has scripts
    bare.until(lambda: "/results" in bare.path, "the link does not lead to its results")
    listed = _shown(bare)
    assert listed
    _fill(bare, text="SIGN 9")
    _follow(bare, SUBMIT)
    assert "EM-009" in _shown(bare)
    bare.open("/marks/EM-009")
    _follow(bare, "noscript a")
    assert "EM-009" not in _shown(bare)
    assert _shown(bare)
