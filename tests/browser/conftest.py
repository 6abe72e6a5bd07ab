"""A real Chromium, one a session, against a real server over a small register."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from indexer.marks import MarkRecord
from models.vienna import ViennaCode
from search_api.marklens import MarkLens
from search_api.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
CHROMEDRIVER = Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MARKS = 24
PATIENCE_S = 30.0  # on a machine that does much else
HOSTILE = '<img src=x onerror="alert(1)">'
PHOTOGRAPHS = Path(__file__).parents[2] / "build" / "browser"


def _record(number: int) -> MarkRecord:
    """Marks that differ in everything a filter asks for; number 5 has words meant to do harm."""
    codes = [("03.01.08", "26.04"), ("05.03.11",), ("24.09.01", "27.05"), ("26.01",)][number % 4]
    return MarkRecord(
        id=f"EM-{number:03d}",
        text=HOSTILE if number == 5 else f"SIGN {number}",
        owner="Owner & Sons Ltd" if number % 2 else None,
        office=["EM", "US", "GB"][number % 3],
        status=_status(number),
        filed=date(2000 + number, 3, 14),
        registered=None if number % 6 == 0 else date(2001 + number, 9, 2),
        nice=(9, 25) if number % 2 else (42,),
        vienna=tuple(ViennaCode.parse(code) for code in codes),
    )


def _status(number: int) -> str:
    if number == 22:
        return "opposed, pending"
    return "expired" if number % 6 == 0 else "registered"


@pytest.fixture(scope="session")
def marklens(
    tiny_settings: Callable[..., Settings],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MarkLens]:
    """A register of `MARKS` drawn marks, EM-000 … EM-023; a number draws the picture."""
    settings = tiny_settings(tmp_path_factory.mktemp("register"), max_upload_bytes=200_000)
    with MarkLens.open(settings) as opened:
        for number in range(MARKS):
            opened.add(_record(number), as_png(draw_mark(number)))
        yield opened


@pytest.fixture(scope="session")
def address(
    marklens: MarkLens, serving: Callable[[MarkLens], AbstractContextManager[str]]
) -> Iterator[str]:
    """Where the server listens."""
    with serving(marklens) as listening:
        yield listening


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium without a screen."""
    for program in (CHROMIUM, CHROMEDRIVER):
        if not program.exists():
            pytest.skip(f"no {program}: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    opened.set_script_timeout(120)  # axe-core on a machine that does much else
    # The drawn marks are alike to the tiny network: most tests look at each of them.
    one_by_one = "if (location.protocol === 'http:') localStorage['marklens-grouped'] ??= 'no'"
    opened.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": one_by_one})
    yield opened
    opened.quit()


# Reading words waits in a lane of its own, which on a busy machine turns requests away.
NOT_READ = "/api/v1/words - Failed to load resource: the server responded with a status of 503"


class Page:
    """What a person does with the page and sees on it."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.address = address
        self.allowed_messages: list[str] = []  # parts of console messages a test provokes

    def resize(self, width: int, height: int = 900, scheme: str = "light", media: str = "") -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        shown = {"media": media, "features": features}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", shown)

    def open(self, path: str = "/") -> None:
        # Where the address stays the same, the driver may return before the page is another one.
        self.js("window.isLeft = true")
        self.driver.get(self.address + path)
        arrived = "return !window.isLeft && document.readyState === 'complete'"
        self.until(lambda: self.js(arrived), "the page is not loaded")

    def speak(self, language: str) -> None:
        """Choose the language of the pages opened from here on."""
        self.driver.execute_cdp_cmd(
            "Network.setCookie", {"name": "lang", "value": language, "url": self.address}
        )

    @property
    def path(self) -> str:
        """Path and query of the page's address."""
        parts = urlsplit(self.driver.current_url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        return self.until(lambda: self.all(css), f"no {css}")[0]

    def click(self, css: str) -> None:
        """Click an element that the page may replace at any time."""

        def clicked() -> bool:
            try:
                self.one(css).click()
            except StaleElementReferenceException:
                return False
            return True

        self.until(clicked, f"{css} cannot be clicked")

    def button(self, text: str) -> WebElement:
        """The first button or link on show that says `text`."""
        says = "x => x.checkVisibility() && x.innerText.trim() === arguments[0]"
        found: WebElement | None = self.js(
            f"return [...document.querySelectorAll('button, a')].find({says})", text
        )
        assert found, f"no button says {text!r}"
        return found

    def until(self, condition: Callable[[], Any], failure: str) -> Any:
        """Wait for a condition to be true and return what it gave.

        One that meets an element of the page that is just being left is not true yet.
        """

        def given() -> Any:
            try:
                return condition()
            except StaleElementReferenceException:
                return None

        deadline = time.monotonic() + PATIENCE_S
        while not (found := given()):
            assert time.monotonic() < deadline, (
                f"{failure}; {self.path} says: {self.text('main')[:300]!r}"
            )
            time.sleep(0.05)
        return found

    def js(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def text(self, css: str) -> str:
        """What an element says; nothing where there is none, or it is just being replaced."""
        try:
            return next((found.text for found in self.all(css)), "")
        except StaleElementReferenceException:
            return ""

    def settle(self) -> None:
        """Wait until no search is under way or about to start."""
        self.js("window.__asked = performance.now()")
        idle = (
            "return performance.now() - window.__asked > 450 &&"
            " document.querySelector('[aria-busy=true]') === null"
        )
        self.until(lambda: self.js(idle), "the search does not end")

    def make_report(self, kind: str, first: int = 50) -> None:
        """Have the first marks of a search reported, once a report before it is made."""
        self.until(lambda: not self.all("#report-dialog[open]"), "a report is being made")
        self.click("#report")
        self.one(f'#report-form option[value="{kind}"]').click()
        field = self.one("#report-form [name=k]")
        field.clear()
        field.send_keys(str(first))
        self.click("#report-form [type=submit]")

    def hits(self) -> list[str]:
        """Ids of the hits on show, once the search under way has ended."""
        busy = "return document.getElementById('results').getAttribute('aria-busy') === 'false'"
        self.until(lambda: self.js(busy), "the search does not end")
        script = "return [...document.querySelectorAll('.hit[data-id]')].map(x => x.dataset.id)"
        found: list[str] = self.js(script)
        return found

    def until_hits(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the ids of the hits meet a condition, and return them."""
        return self.until(
            lambda: (ids := self.hits()) and condition(ids) and ids, "other hits are shown"
        )

    def back(self) -> None:
        self.driver.back()

    def crop(self, *numbers: int) -> None:
        """Choose a part of the picture, x, y, width and height, by typing it in the dialog."""
        self.click('[data-action="crop"]')
        self.until(lambda: self.one(".crop-handle").is_displayed(), "no handles")
        for name, value in zip("xywh", numbers, strict=True):
            field = self.one(f"#crop-form [name={name}]")
            field.clear()
            field.send_keys(str(value))
        self.click('[data-action="use-crop"]')

    def upload(self, path: Path) -> None:
        self.one("#file").send_keys(str(path))

    def photograph(self, name: str) -> Path:
        """Keep a picture of the whole page under build/browser."""
        PHOTOGRAPHS.mkdir(parents=True, exist_ok=True)
        box = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": box["width"], "height": box["height"], "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        path = PHOTOGRAPHS / f"{name}.png"
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def console(self) -> list[str]:
        """Errors and warnings since the last call that the test did not provoke on purpose."""
        lines = [f"{line['level']}: {line['message']}" for line in self.driver.get_log("browser")]
        allowed = [NOT_READ, *self.allowed_messages]
        return [line for line in lines if not any(part in line for part in allowed)]

    def requested(self) -> set[str]:
        """Addresses asked for since the last call, by page, script, style or picture."""
        entries = [json.loads(x["message"])["message"] for x in self.driver.get_log("performance")]
        return {
            entry["params"]["request"]["url"]
            for entry in entries
            if entry["method"] == "Network.requestWillBeSent"
        }


@pytest.fixture
def page(driver: webdriver.Chrome, address: str) -> Iterator[Page]:
    """A fresh page; afterwards its console must be clean and no request have left the server."""
    shown = Page(driver, address)
    shown.resize(1440)
    shown.console()
    shown.requested()
    yield shown
    shown.js("localStorage.clear()")
    driver.delete_all_cookies()
    assert shown.console() == []
    elsewhere = {
        url
        for url in shown.requested()
        if not url.startswith((address, "blob:", "data:", "about:"))
    }
    assert elsewhere == set()
    driver.get("about:blank")
