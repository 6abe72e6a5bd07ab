"""The page of the HTTP API: a request is tried out in it, without another host."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = pytest.mark.browser


def test_a_request_is_tried_out_in_the_documentation(page):
    page.resize(1440)
    page.open("/docs")
    driver = page.driver
    wait = WebDriverWait(driver, 20)
    operations = wait.until(lambda _: driver.find_elements(By.CSS_SELECTOR, ".opblock"))
    assert len(operations) >= 15
    mark = next(
        one
        for one in operations
        if "/api/v1/marks/{mark_id}" in one.text.replace("\u200b", "").split("\n")
        and one.text.startswith("GET")
    )
    mark.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    wait.until(lambda _: mark.find_elements(By.CSS_SELECTOR, ".try-out__btn"))[0].click()
    field = wait.until(lambda _: mark.find_elements(By.CSS_SELECTOR, "input[type=text]"))[0]
    field.clear()
    field.send_keys("EM-003")
    mark.find_element(By.CSS_SELECTOR, ".execute").click()
    answer = wait.until(lambda _: mark.find_elements(By.CSS_SELECTOR, ".live-responses-table"))[0]
    assert "200" in answer.text
    assert "SIGN 3" in answer.text
