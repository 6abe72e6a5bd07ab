"""An uploaded picture is sent once; its link opens again, or says that the picture is gone."""

import json

import pytest
from PIL import Image
from selenium.webdriver import ActionChains

from models.encoder import Encoder

pytestmark = pytest.mark.browser
_FORGET = "return new Promise(done => indexedDB.deleteDatabase('marklens').onsuccess = done)"


@pytest.fixture
def picture(tmp_path, draw_mark):
    """A file of the mark with a number, as large as is told."""

    def of(number, side=96):
        path = tmp_path / f"{number}-{side}.png"
        draw_mark(number).resize((side, side), Image.Resampling.NEAREST).save(path)
        return path

    return of


@pytest.fixture
def encoded(monkeypatch):
    """How many pictures each call of the network looked at."""
    calls = []
    encode = Encoder.encode_prepared
    monkeypatch.setattr(
        Encoder,
        "encode_prepared",
        lambda self, pictures: calls.append(len(pictures)) or encode(self, pictures),
    )
    return calls


def _handles(page):
    return [one.partition("=")[2] for one in page.path.split("?")[-1].split("&") if "query=" in one]


def _until_handles(page, count):
    page.until(lambda: len(_handles(page)) == count, f"the address has not {count} handles")
    page.settle()
    return _handles(page)


def _filter_by_office(page, office):
    box = page.one(f'[name="office"][value="{office}"]')
    page.js("arguments[0].closest('details')?.setAttribute('open', '')", box)
    page.js("arguments[0].click()", box)
    page.until(lambda: "office=" in page.path, "no filter")


def test_the_picture_is_encoded_once_and_filters_ask_by_its_handle(page, picture, encoded):
    page.open()
    page.upload(picture(7))
    assert page.until_hits(lambda ids: ids[0] == "EM-007")
    _until_handles(page, 1)
    assert encoded == [1]
    page.requested()
    _filter_by_office(page, "US")
    page.until_hits(lambda ids: len(ids) == 8)
    entries = [json.loads(x["message"])["message"] for x in page.driver.get_log("performance")]
    sent = [
        int(entry["params"]["headers"]["Content-Length"])
        for entry in entries
        if entry["method"] == "Network.requestWillBeSentExtraInfo"
        and "Content-Length" in entry["params"].get("headers", {})
    ]
    assert all(length < 1500 for length in sent), sent
    assert encoded == [1]


# Notes the fields of each request for a path, its files by their names.
_NOTE = """
window.__sent = []
const real = window.fetch
window.fetch = async (path, options) => {
  const answer = await real(path, options)
  if (path.endsWith(arguments[0])) {
    const said = (one) => (one instanceof File ? 'FILE' : one)
    const fields = [...options.body].map(([name, one]) => [name, said(one)])
    window.__sent.push([answer.status, Object.fromEntries(fields)])
  }
  return answer
}
"""


def test_a_report_sends_the_handle_and_the_picture_only_where_the_server_lost_it(
    page, picture, marklens
):
    page.allowed_messages = ["410"]
    page.open()
    page.upload(picture(7, 192))
    page.until_hits(lambda ids: ids[0] == "EM-007")
    (handle,) = _until_handles(page, 1)
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "deny"})
    page.js(_NOTE, "/report")
    page.make_report("csv")
    (sent,) = page.until(lambda: page.js("return window.__sent"), "no report is asked for")
    status, fields = sent
    assert (status, fields["query"], fields["picture_name"]) == (200, handle, "7-192.png")
    assert "image" not in fields
    marklens.queries.kept.forget(handle)
    page.make_report("csv")
    page.until(lambda: len(page.js("return window.__sent")) == 3, "it is not asked for again")
    (gone, _), (status, fields) = page.js("return window.__sent.slice(1)")
    assert (gone, status) == (410, 200)
    assert "query" not in fields
    assert fields["image"] == "FILE"


def test_the_link_of_an_upload_opens_in_a_browser_that_never_had_the_picture(page, picture):
    page.open()
    page.upload(picture(7, 192))
    first = page.until_hits(lambda ids: ids[0] == "EM-007")
    _until_handles(page, 1)
    link = page.path
    page.open("/watches")
    page.js(_FORGET)
    page.open(link)
    assert page.until_hits(bool) == first
    shown = "return document.getElementById('query-image').naturalWidth"
    page.until(lambda: page.js(shown) == 192, "the picture is not shown")
    page.click('[data-action="crop"]')
    page.click('[data-action="turn-right"]')
    page.click('[data-action="use-crop"]')
    page.until(lambda: "turn=90" in page.path, "not turned")
    page.until_hits(bool)


def test_a_link_whose_picture_is_gone_says_so_and_asks_for_it(page, picture, marklens):
    page.allowed_messages = ["410"]
    page.open()
    page.upload(picture(8))
    page.until_hits(lambda ids: ids[0] == "EM-008")
    (handle,) = _until_handles(page, 1)
    link = page.path
    page.open("/watches")
    page.js(_FORGET)
    marklens.queries.kept.forget(handle)
    page.open(link)
    page.until(lambda: "The picture is gone" in page.text("#problem"), "nothing says so")
    assert page.button("Choose a picture").is_displayed()
    assert not page.one("#query").is_displayed()
    page.upload(picture(9))
    assert page.until_hits(lambda ids: ids[0] == "EM-009")


def test_a_picture_that_the_server_lost_is_sent_again_where_the_browser_has_it(
    page, picture, marklens, encoded
):
    page.allowed_messages = ["410"]
    page.open()
    page.upload(picture(10))
    page.until_hits(lambda ids: ids[0] == "EM-010")
    (handle,) = _until_handles(page, 1)
    marklens.queries.kept.forget(handle)
    _filter_by_office(page, "US")
    page.until_hits(lambda ids: len(ids) == 8)
    assert _until_handles(page, 1) != [handle]
    assert encoded == [1, 1]


def test_another_picture_of_the_sign_is_added_put_first_and_removed(page, picture):
    page.open()
    page.upload(picture(7))
    page.until_hits(lambda ids: ids[0] == "EM-007")
    _until_handles(page, 1)
    assert page.one("#add-view").is_displayed()
    page.js("HTMLInputElement.prototype.click = () => {}")  # no dialog of the system
    page.click("#add-view")
    page.upload(picture(4))
    page.until_hits(lambda ids: set(ids[:2]) == {"EM-007", "EM-004"})
    one, two = _until_handles(page, 2)
    second = page.one('.hit[data-id="EM-004"]')
    assert "by picture 2" in second.text
    second.find_element("css selector", ".hit-picture").click()
    side = page.until(lambda: page.all(".comparison-side:first-child image"), "no comparison")[0]
    assert side.get_dom_attribute("href").startswith("blob:")
    page.click("#compare-dialog [data-action=close-dialog]")
    page.photograph("two-pictures-of-a-sign")
    page.click('[aria-label="Show picture 2 first"]')
    page.until(lambda: _handles(page) == [two, one], "the order stays")
    page.settle()
    page.click('[aria-label="Remove picture 2"]')
    page.until(lambda: _handles(page) == [two], "it is not removed")
    assert page.until_hits(lambda ids: ids[0] == "EM-004")
    assert not page.all("#others li")
    page.back()
    page.until(lambda: _handles(page) == [two, one], "back does not undo it")
    page.until_hits(lambda ids: set(ids[:2]) == {"EM-007", "EM-004"})


def test_each_picture_of_a_sign_keeps_its_page_and_crop_whichever_is_first(
    page, picture, tmp_path, draw_mark
):
    path = tmp_path / "filing.tif"
    draw_mark(3).save(path, save_all=True, append_images=[draw_mark(7)])
    page.open()
    page.upload(path)
    page.until_hits(lambda ids: ids[0] == "EM-003")
    page.click('[data-action="next-page"]')
    page.until_hits(lambda ids: ids[0] == "EM-007")
    page.js("HTMLInputElement.prototype.click = () => {}")  # no dialog of the system
    page.click("#add-view")
    page.upload(picture(4))
    page.until_hits(lambda ids: set(ids[:2]) == {"EM-007", "EM-004"})
    one, two = _until_handles(page, 2)
    page.click('[aria-label="Show picture 2 first"]')
    page.until(lambda: _handles(page) == [two, one], "the order stays")
    assert set(page.until_hits(bool)[:2]) == {"EM-007", "EM-004"}
    assert "other_views=page=2" in page.path
    page.until(lambda: page.text("#others .part-page") == "2/2", "its page is not shown")
    page.photograph("a-page-of-the-second-picture")
    page.crop(0, 0, 48, 48)
    page.until(lambda: "crop=0,0,48,48" in page.path, "not cropped")
    page.settle()
    page.click('[aria-label="Show picture 2 first"]')
    page.until(lambda: _handles(page) == [one, two], "the order stays")
    assert "page=2&" in page.path.replace("other_views", "")
    assert "other_views=crop=0,0,48,48" in page.path
    page.until(lambda: page.text("#page-of") == "Page 2 of 2", "the first page is shown")
    link, before = page.path, page.until_hits(bool)
    page.open("/watches")
    page.js(_FORGET)
    page.open(link)
    assert page.until_hits(bool) == before
    page.until(lambda: page.text("#page-of") == "Page 2 of 2", "the link has lost the page")
    page.click('[aria-label="Remove picture 2"]')
    page.until(lambda: _handles(page) == [one], "it is not removed")
    assert "other_views" not in page.path
    assert page.until_hits(bool)[0] == "EM-007"


def test_the_shortlist_of_a_picture_is_found_by_its_link_its_file_and_with_another_picture(
    page, picture
):
    page.open()
    page.upload(picture(7))
    page.until_hits(lambda ids: ids[0] == "EM-007")
    _until_handles(page, 1)
    page.click('.hit[data-id="EM-007"] .is-star')
    link = page.path
    page.open("/watches")
    page.open(link)
    page.until_hits(bool)
    assert page.text("#shortlist-count") == "1"
    page.js("HTMLInputElement.prototype.click = () => {}")  # no dialog of the system
    page.click("#add-view")
    page.upload(picture(4))
    _until_handles(page, 2)
    assert page.text("#shortlist-count") == "1"
    page.click('[aria-label="Show picture 2 first"]')
    page.settle()
    assert page.text("#shortlist-count") == "1"
    page.open()
    page.upload(picture(7))
    page.until_hits(lambda ids: ids[0] == "EM-007")
    assert page.text("#shortlist-count") == "1"
    page.upload(picture(9))
    page.until_hits(lambda ids: ids[0] == "EM-009")
    assert page.text("#shortlist-count") == ""


_LATE = """
const real = window.fetch
const isAsked = new Promise((resolve) => { window.__send = resolve })
window.fetch = async (path, options) => {
  if (!String(path).includes('/queries/')) return real(path, options)
  const answer = await isAsked.then(() => real(path, options))
  const picture = await answer.blob()
  answer.blob = async () => { setTimeout(() => { window.__came = true }); return picture }
  return answer
}
"""


def test_a_picture_that_comes_late_does_not_take_the_place_of_another_query(page, picture):
    page.open()
    page.upload(picture(7))
    page.until_hits(lambda ids: ids[0] == "EM-007")
    _until_handles(page, 1)
    link = page.path
    page.open("/watches")
    page.js(_FORGET)
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _LATE})
    try:
        page.open(link)
        page.click(".brand")
        page.until(lambda: page.one(".sample").is_displayed(), "no start page")
        assert page.one("#results").get_attribute("aria-busy") == "false"
        page.click(".sample")
        page.until_hits(bool)
        title = page.driver.title
        page.js("window.__send()")
        page.until(lambda: page.js("return window.__came"), "the picture does not come")
        assert page.driver.title == title
        assert page.text("#query-title") == "Query mark"
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


_WHERE_SHOWN = """
const layer = document.querySelector(`.stage-heat[data-code="${arguments[0]}"]`)
return layer?.querySelector('image') && layer.closest('#others, #stage').id
"""


def test_a_code_is_shown_on_the_picture_of_the_sign_in_which_it_is_seen_best(
    page, picture, marklens
):
    shares = []
    for number in (7, 4):
        seen = marklens.codes(picture(number).read_bytes())
        shares.append({str(one.code): one.probability for one in (*seen.vienna, *seen.perhaps)})
    page.open()
    page.upload(picture(7))
    page.until_hits(lambda ids: ids[0] == "EM-007")
    _until_handles(page, 1)
    page.js("HTMLInputElement.prototype.click = () => {}")  # no dialog of the system
    page.click("#add-view")
    page.upload(picture(4))
    _until_handles(page, 2)
    page.settle()
    # Away from the codes, which the keyboard scrolls below a pointer at rest.
    ActionChains(page.driver).move_to_element(page.one(".masthead-note")).perform()
    on_second = {}
    for chip in page.all("#seen-codes .chip"):
        code = chip.get_attribute("data-code")
        page.js("arguments[0].querySelector('button').focus()", chip)
        where = page.until(lambda: page.js(_WHERE_SHOWN, code), "no place is shown")  # noqa: B023
        on_second[code] = where == "others"
    assert on_second == {
        code: shares[1].get(code, 0) > shares[0].get(code, 0) for code in on_second
    }
    assert any(on_second.values())
    assert not all(on_second.values())


def test_a_link_that_was_cut_is_told_from_a_start_page(page):
    page.open(f"/?query={'9' * 30}")
    page.until(lambda: "This link is not complete" in page.text("#notice"), "nothing is said")
    page.open("/")
    assert not page.all("#notice [role=alert]")


def test_where_nothing_is_kept_the_picture_is_sent_each_time(
    page, picture, marklens, monkeypatch, encoded
):
    monkeypatch.setattr(marklens.queries.kept, "is_on", False)
    page.open()
    page.upload(picture(7))
    page.until_hits(lambda ids: ids[0] == "EM-007")
    _filter_by_office(page, "US")
    page.until_hits(lambda ids: len(ids) == 8)
    assert _handles(page) == []
    assert encoded == [1, 1]
    page.driver.refresh()
    assert page.until_hits(lambda ids: len(ids) == 8)[0] == "EM-007"
