"""The page of the HTTP API: requests are tried out in it, without another host."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from selenium_axe_python import Axe

pytestmark = pytest.mark.browser


def _find(driver, css):
    """Elements of a page that comes up bit by bit, once there are some."""
    return WebDriverWait(driver, 20).until(lambda _: driver.find_elements(By.CSS_SELECTOR, css))


def _try_out(page, name):
    """Open an operation, by its id, and its form."""
    (operation,) = _find(page.driver, f'.opblock[id$="-{name}"]')
    operation.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    _find(operation, ".try-out__btn")[0].click()
    _find(operation, ".execute")
    return operation


def _answer(operation):
    operation.find_element(By.CSS_SELECTOR, ".execute").click()
    return _find(operation, ".live-responses-table")[0].text


def test_requests_are_tried_out_in_the_documentation(page, tmp_path, draw_mark):
    page.allowed_messages = ["JsonSchema_string_binary"]  # Swagger UI's own, of lists of files
    page.resize(1440)
    page.open("/docs")
    assert len(_find(page.driver, ".opblock")) >= 15
    mark = _try_out(page, "get_mark")
    field = _find(mark, "input[type=text]")[0]
    field.clear()
    field.send_keys("EM-003")
    answer = _answer(mark)
    assert "200" in answer
    assert "SIGN 3" in answer
    # The form of a picture is sent as it comes up: what may be left out is empty in them.
    logo = tmp_path / "logo.png"
    draw_mark(3).save(logo)
    search = _try_out(page, "search")
    _find(search, "input[type=file]")[0].send_keys(str(logo))
    answer = _answer(search)
    assert "Error" not in answer, answer
    assert '"EM-003"' in answer


_AXE = """
const done = arguments[arguments.length - 1]
axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations
  .filter(({ impact }) => ['serious', 'critical'].includes(impact))
  .map(({ id, nodes }) => [id, ...nodes.slice(0, 5).map(({ html }) => html)])))
"""


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_serious_in_the_documentation(page, width, scheme):
    page.allowed_messages = ["JsonSchema_string_binary"]
    page.resize(width, scheme=scheme)
    page.open("/docs")
    _find(page.driver, ".opblock")
    Axe(page.driver).inject()
    assert page.driver.execute_async_script(_AXE) == []
    _try_out(page, "search")
    assert page.driver.execute_async_script(_AXE) == []
    page.click(".home")
    page.until(lambda: page.all("#welcome"), "no way back")
