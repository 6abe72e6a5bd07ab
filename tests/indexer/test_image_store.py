import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.register.image_store import ImageStore
from models.errors import MarkLensError


def _png(size: tuple[int, int] = (300, 120)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def test_a_picture_comes_back_as_it_was_handed_in(store: ImageStore) -> None:
    content = _png()
    digest = store.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.get(digest) == content


def test_the_same_picture_is_kept_once_however_often_and_by_whom_it_is_put(
    store: ImageStore,
) -> None:
    content = _png()
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(store.put, [content] * 40))
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    assert len(digests) == 1
    assert files == [store.folder / next(iter(digests))[:2] / next(iter(digests))]


def test_a_damaged_picture_is_noticed_and_putting_it_again_mends_it(store: ImageStore) -> None:
    content = _png()
    digest = store.put(content)
    path = store.folder / digest[:2] / digest
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(MarkLensError, match="is damaged"):
        store.get(digest)
    store.put(content)
    assert store.get(digest) == content


def test_a_missing_picture_is_one_plain_sentence(store: ImageStore) -> None:
    with pytest.raises(MarkLensError, match=r"is missing from .*: index its source again"):
        store.get("ab" * 32)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 32 + "\n"])
def test_only_digests_become_paths(store: ImageStore, digest: str) -> None:
    with pytest.raises(MarkLensError, match="is not a picture's SHA-256"):
        store.get(digest)
    with pytest.raises(MarkLensError, match="is not a picture's SHA-256"):
        store.thumbnail(digest, 64)


def test_a_thumbnail_keeps_the_proportions_and_is_made_once(store: ImageStore) -> None:
    digest = store.put(_png((300, 120)))
    first = store.thumbnail(digest, 100)
    with Image.open(io.BytesIO(first)) as image:
        assert image.size == (160, 64)  # the next of the sizes that there are
    (store.folder / digest[:2] / digest).unlink()
    assert store.thumbnail(digest, 100) == first


def test_whatever_sizes_are_asked_for_few_are_kept(store: ImageStore) -> None:
    digest = store.put(_png((1200, 30)))
    for size in range(16, 1025, 9):
        store.thumbnail(digest, size)
    assert len(list((store.folder / "thumbnails").rglob("*.webp"))) == 5


def test_thumbnails_take_bounded_space_and_those_read_first_make_room(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, most_thumbnails=20_000)
    noise = np.random.default_rng(3)
    digests = []
    for number in range(12):
        picture = Image.fromarray(noise.integers(0, 256, (60, 60, 3), np.uint8))
        file = io.BytesIO()
        picture.save(file, "PNG")
        digests.append(store.put(file.getvalue()))
        store.thumbnail(digests[-1], 64)
        for path in (tmp_path / "thumbnails").rglob("*.webp"):  # all grow older
            os.utime(path, (0, path.stat().st_mtime - 7200))
        if number:
            store.thumbnail(digests[0], 64)  # read again and again
    kept = {path.stem for path in (tmp_path / "thumbnails").rglob("*.webp")}
    used = sum(path.stat().st_size for path in (tmp_path / "thumbnails").rglob("*.webp"))
    assert used <= 20_000
    assert {digests[0], digests[-1]} <= kept
    assert digests[1] not in kept
    assert store.thumbnail(digests[1], 64)


def test_a_small_picture_is_not_blown_up(store: ImageStore) -> None:
    with Image.open(io.BytesIO(store.thumbnail(store.put(_png((40, 30))), 256))) as image:
        assert image.size == (40, 30)


@pytest.mark.parametrize("size", [0, -1, 15, 1025])
def test_a_thumbnail_size_out_of_range_is_refused(store: ImageStore, size: int) -> None:
    with pytest.raises(MarkLensError, match="not between 16 and 1024"):
        store.thumbnail(store.put(_png()), size)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder should be")
    with pytest.raises(MarkLensError, match="cannot write to"):
        ImageStore(tmp_path / "images").put(b"content")
