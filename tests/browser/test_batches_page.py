"""The page of batches: pictures are chosen, searched with, their table fetched, all forgotten."""

import csv
import io

import httpx
import pytest
from PIL import Image

pytestmark = pytest.mark.browser


def test_a_batch_is_sent_followed_found_again_and_forgotten(page, address, tmp_path, draw_mark):
    files = [tmp_path / "1.png", tmp_path / "2.png", tmp_path / "none.png"]
    for number, file in enumerate(files[:2], start=1):
        draw_mark(number).save(file)
    files[2].write_text("nothing")
    page.resize(390)
    page.open("/")
    page.click('.masthead a[href="/batches"]')
    page.until(lambda: page.path == "/batches", "the page is not shown")
    assert "There is no batch yet." in page.text("main")
    assert not page.one("#start").is_enabled()
    page.one("#files").send_keys("\n".join(map(str, files)))
    page.until(lambda: page.text("#chosen").startswith("3 files"), "not chosen")
    page.js("document.querySelector('[name=format]').value = 'csv'")
    page.js("document.querySelector('[name=k]').value = 1")
    page.click("#start")
    page.until(lambda: page.text(".batch .tag") == "done", "it is not done")
    assert "3 of 3 pictures" in page.text(".batch")
    assert "1 picture could not be read" in page.text(".batch")
    page.photograph("batches-390")
    page.open("/batches")  # the same browser finds it again
    page.until(lambda: page.text(".batch .tag") == "done", "it is not found again")
    results = page.one('.batch a[href^="/api"], .batch a[href*="/results"]').get_attribute("href")
    rows = csv.DictReader(io.StringIO(httpx.get(results).content.decode("utf-8-sig")))
    assert [(row["query_image"], row["id"]) for row in rows] == [
        ("1.png", "EM-001"),
        ("2.png", "EM-002"),
        ("none.png", ""),
    ]
    page.button("Remove").click()
    page.until(lambda: "There is no batch yet." in page.text("main"), "it is not removed")
    assert httpx.get(results).status_code == 404


def test_a_folder_may_be_dropped_and_what_is_no_batch_is_said(page, tmp_path):
    folder = tmp_path / "signs"
    (folder / "deeper").mkdir(parents=True)
    Image.new("RGB", (40, 40), "red").save(folder / "deeper" / "a.png")
    (folder / ".hidden").touch()
    page.open("/batches")
    page.one("#folder").send_keys(str(folder))
    page.until(lambda: page.text("#chosen").startswith("1 file"), "not chosen")
    (tmp_path / "wanted.csv").write_text("id\n1\n")
    page.one("#files").send_keys(str(tmp_path / "wanted.csv"))
    page.allowed_messages.append("status of 422")
    page.click("#start")
    page.until(lambda: "no column 'image'" in page.text("#notice"), "nothing is said")
    assert page.one("#start").is_enabled()
