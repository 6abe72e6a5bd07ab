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
    page.until(lambda: not use.is_displayed(), "the words are offered again")
    page.back()
    page.back()
    page.until(lambda: "ignore_words" not in page.path, "Back undoes nothing")
    page.until(lambda: not page.one("#ignore-words").is_selected(), "still ticked")
