"""The words that are read in the query picture: offered to search for, and ignored."""

import pytest

from tests.lettering import lettered

pytestmark = pytest.mark.browser


def test_words_read_are_offered_and_can_be_ignored(page, tmp_path):
    lettered("LION CAFE").save(tmp_path / "cafe.png")
    page.open()
    page.upload(tmp_path / "cafe.png")
    page.until_hits(bool)
    use = page.one("#use-words")
    page.until(use.is_displayed, "no words are offered")
    assert use.text == "Read: LION CAFE"
    page.click("#ignore-words")
    page.until(lambda: "ignore_words=true" in page.path, "the words are not ignored")
    page.until_hits(bool)
    page.click("#use-words")
    page.until(lambda: "text=LION+CAFE" in page.path, "the words are not searched for")
    page.until(lambda: "24 of 24 marks matched" in page.text("#plan"), "words leave marks out")
    page.until(lambda: not use.is_displayed(), "the words are offered again")
    page.back()
    page.back()
    page.until(lambda: "ignore_words" not in page.path, "Back undoes nothing")
    page.until(lambda: not page.one("#ignore-words").is_selected(), "still ticked")


def test_words_that_were_not_read_are_asked_for_again(page, tmp_path):
    lettered("LION CAFE").save(tmp_path / "cafe.png")
    page.allowed_messages.append("/api/v1/words")
    page.open()
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/api/v1/words"]})
    page.upload(tmp_path / "cafe.png")
    page.until_hits(bool)
    page.until(
        lambda: "The words were not read." in page.text("#words-unread"), "the page says nothing"
    )
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    page.click("#read-again")
    page.until(lambda: page.text("#use-words") == "Read: LION CAFE", "no words are offered")
    assert not page.one("#words-unread").is_displayed()
