"""The page of watches: made from a search, reports with pictures, read, removed."""

from datetime import UTC, datetime

import pytest
from PIL import Image

from indexer.marks import MarkRecord
from indexer.register.watch_rows import NearMark
from models.images import decode_image
from search_api.watch.asked import NewWatch
from search_api.watch.watching import Watching

pytestmark = pytest.mark.browser
DRAWN = "return document.querySelector('.watched-signs img').naturalWidth > 0"
ASKED = ["From a score of 0.90 on", "Nice classes 9", "Weights: Form 0.50, Parts off"]
FAIL_ONCE = """
const real = fetch
window.fetch = (path, how) => {
  if (how?.method !== 'POST') return real(path, how)
  window.fetch = real
  return Promise.reject(new TypeError('away'))
}"""


def test_a_watch_is_made_from_a_search_reports_with_pictures_and_is_removed(
    page, marklens, draw_mark, as_png
):
    page.open("/?mark_id=EM-001&nice=9&weights=visual=0.5,parts=0")
    page.hits()
    page.click("#watch")
    page.one('#watch-form [name="name"]').send_keys("Ours")
    threshold = page.one('#watch-form [name="threshold"]')
    threshold.clear()
    threshold.send_keys("0.9")
    page.click("#watch-form [type=submit]")
    page.until(lambda: page.path == "/watches", "the watches are not shown")
    page.until(lambda: "Ours" in page.text("#watches h2"), "the watch is not listed")
    assert page.text(".watched-signs") == "EM-001"
    page.until(lambda: page.js(DRAWN), "the sign has no picture")
    assert [one.text for one in page.all(".watch-asked li")] == ASKED
    assert "Nothing has come near yet." in page.text("#watches")

    marklens.add(MarkRecord("NEW-1", text="COPY", nice=(9,)), as_png(draw_mark(1)))
    marklens.add(MarkRecord("NEW-2", text="OTHER CLASS", nice=(30,)), as_png(draw_mark(1)))
    try:
        Watching(marklens).check()
        page.open("/watches")
        page.until(lambda: page.all(".watch-event"), "nothing is reported")
        assert [event.text.split("\n")[0] for event in page.all(".watch-event")] == ["COPY"]
        assert page.one(".watch-event img").get_attribute("src")
        assert page.text("#watches .badge") == "1"
        page.click('[data-action="read"]')
        page.until(lambda: not page.all("#watches .badge"), "it stays unread")
        page.js("localStorage.clear()")  # another browser
        page.open("/watches")
        page.until(lambda: page.all(".watch-event:not(.is-new)"), "what was read is gone, or new")
        feed = page.one('#watches a[type="application/atom+xml"]')
        assert "/api/v1/watches/Ours/feed?key=" in feed.get_attribute("href")
        page.js("window.confirm = () => true")
        page.click('[data-action="remove"]')
        page.until(lambda: "There is no watch yet." in page.text("#watches"), "it is not removed")
    finally:
        for mark_id in ("NEW-1", "NEW-2"):
            marklens.delete(mark_id)


def test_a_watch_is_of_the_part_that_is_compared_and_sends_no_picture_again(
    page, marklens, draw_mark, as_png, tmp_path
):
    sheet = Image.new("RGB", (400, 200), "white")
    sheet.paste(draw_mark(7).resize((180, 180)), (210, 10))
    sheet.paste(draw_mark(8).resize((180, 180)), (10, 10))
    sheet.save(tmp_path / "sheet.png")
    page.open("/")
    page.upload(tmp_path / "sheet.png")
    page.until(lambda: "query=" in page.path, "no handle")
    page.crop(200, 0, 200, 200)
    page.until(lambda: "crop=200,0,200,200" in page.path, "not cropped")
    page.hits()
    page.click("#watch")
    page.one('#watch-form [name="name"]').send_keys("Part")
    page.one('#watch-form [name="webhook"]').send_keys("https://hook.invalid/x?key=1")
    page.requested()
    page.click("#watch-form [type=submit]")
    page.until(lambda: page.path == "/watches", "the watches are not shown")
    page.until(lambda: "Part" in page.text("#watches h2"), "the watch is not listed")
    assert page.text(".watch-asked li:last-child") == "Webhook: hook.invalid"
    (sign,) = marklens.register.watches.get("Part").signs
    marklens.register.watches.remove("Part")
    watched = decode_image(marklens.images.get(sign.image_digest))
    assert sign.label == "sheet.png"
    assert watched.tobytes() == sheet.crop((200, 0, 400, 200)).tobytes()


def test_a_picture_is_added_to_a_watch_that_there_is(page, marklens):
    Watching(marklens).add(NewWatch("Both", 0.9, ["EM-001"]))
    page.open("/?mark_id=EM-002&nice=9")
    page.hits()
    page.click("#watch")
    page.until(lambda: page.one("#watch-into").is_displayed(), "no watch is offered")
    fields = [page.one(f'#watch-form [name="{name}"]') for name in ("name", "webhook")]
    assert fields[0].size == fields[1].size, "the webhook's field looks otherwise"
    page.js("""const { into } = document.getElementById('watch-form').elements
        into.value = 'Both'
        into.dispatchEvent(new Event('change'))""")
    assert not page.one('#watch-form [name="threshold"]').is_displayed()
    page.click("#watch-form [type=submit]")
    page.until(lambda: page.path == "/watches", "the watches are not shown")
    page.until(lambda: len(page.all(".watched-signs li")) == 2, "the sign is not added")
    changed = marklens.register.watches.get("Both")
    marklens.register.watches.remove("Both")
    assert [sign.label for sign in changed.signs] == ["EM-001", "EM-002"]
    assert (changed.threshold, changed.asked) == (0.9, {})


def test_a_watch_that_cannot_be_made_is_refused_in_its_dialog(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.allowed_messages = ["422"]
    page.click("#watch")
    page.one('#watch-form [name="name"]').send_keys("a/b")
    page.click("#watch-form [type=submit]")
    page.until(lambda: "cannot name a watch" in page.text("#watch-error"), "it is not refused")


def test_what_nobody_has_seen_yet_is_not_marked_as_read(page, marklens, draw_mark, as_png):
    watching, watches = Watching(marklens), marklens.register.watches
    watching.add(NewWatch("Many", 0.9, ["EM-001"]))
    (sign,) = watches.get("Many").signs
    near = [NearMark(sign.id, f"EM-{n % 20 + 2:03d}", f"{n:064d}", n, 0.95) for n in range(130)]
    watches.note("Many", 0, near, datetime.now(UTC))
    try:
        page.open("/watches")
        page.until(lambda: len(page.all(".watch-event")) == 100, "the first hundred are not shown")
        assert page.text("#watches .badge") == "130"
        assert not page.one('[data-action="read"]').is_displayed()
        page.click('[data-action="more"]')
        page.until(lambda: len(page.all(".watch-event")) == 130, "the rest is not shown")
        focused = "document.activeElement.closest('li')"
        assert page.js(f"return {focused} === document.querySelectorAll('.watch-event')[100]")
        assert not page.one('[data-action="more"]').is_displayed()
        page.js(FAIL_ONCE)
        page.click('[data-action="read"]')
        page.until(lambda: "does not answer" in page.text("#notice"), "the failure is not told")
        assert len(page.all(".watch-event")) == 130
        page.click('[data-action="read"]')
        page.until(lambda: not page.all("#watches .badge"), "it stays unread")
        assert page.js("return document.activeElement.tagName") == "H2"
        assert page.text("#notice") == ""
    finally:
        watches.remove("Many")


def test_a_mark_that_was_withdrawn_since_says_so(page, marklens):
    watching, watches = Watching(marklens), marklens.register.watches
    watching.add(NewWatch("Gone", 0.9, ["EM-001"]))
    (sign,) = watches.get("Gone").signs
    near = NearMark(sign.id, "GONE-1", "0" * 64, 1, 0.95)
    watches.note("Gone", 0, [near], datetime.now(UTC))
    page.requested()
    try:
        page.open("/watches")
        page.until(lambda: page.all(".watch-event"), "what came near is gone with its mark")
        assert page.text(".watch-event").startswith("GONE-1\nWithdrawn since.")
        assert not page.all(".watch-event a")
        asked = {url.split("/api/v1/")[1] for url in page.requested() if "/api/v1/" in url}
        picture = f"watches/Gone/signs/{sign.id}/image"
        assert asked == {
            "watches",
            "watches/Gone/events?limit=1000",
            picture,
        }  # each event costs nothing
    finally:
        watches.remove("Gone")
