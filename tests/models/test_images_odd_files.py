"""Odd but real picture files give the right pixels, or a refusal that names the cause."""

import struct
from collections.abc import Mapping
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, TiffImagePlugin

from models.errors import UnreadableImage
from models.images import crop_image, decode_image, full_size, page_count, turn_image


def apple(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (64, 48), "white")
    ImageDraw.Draw(picture).ellipse((12, 6, 50, 42), fill=(180, 20, 30))
    return picture.convert(mode)


def printed(size: tuple[int, int]) -> Image.Image:
    """The apple in pure black and white."""
    return apple("L").resize(size).point(lambda level: 255 * (level > 128)).convert("1")


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def tiff(
    samples: np.ndarray,
    planar: bool,
    sample_format: int,
    changed: Mapping[int, tuple[int, list[int]]] | None = None,
) -> bytes:
    """A TIFF by hand, (h, w, channels): kinds that Pillow does not write."""
    high, wide, channels = samples.shape
    bits = samples.dtype.itemsize * 8
    strips = [samples[:, :, at] for at in range(channels)] if planar else [samples]
    data = [np.ascontiguousarray(strip).tobytes() for strip in strips]
    entries = {
        256: (3, [wide]),
        257: (3, [high]),
        258: (3, [bits] * channels),
        259: (3, [1]),
        262: (3, [2 if channels == 3 else 1]),
        273: (4, [8 + sum(map(len, data[:at])) for at in range(len(data))]),
        277: (3, [channels]),
        278: (3, [high]),
        279: (4, [len(strip) for strip in data]),
        284: (3, [2 if planar else 1]),
        339: (3, [sample_format] * channels),
        **(changed or {}),
    }
    start = 8 + sum(map(len, data))
    table, extra = b"", b""
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            where = start + 2 + 12 * len(entries) + 4 + len(extra)
            extra += packed
            packed = struct.pack("<I", where)
        table += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = struct.pack("<2sHI", b"II", 42, start)
    return head + b"".join(data) + struct.pack("<H", len(entries)) + table + b"\0\0\0\0" + extra


def bmp_with_empty_alpha(picture: Image.Image) -> bytes:
    """A BMP with a V4 header and a fourth byte of 0 a pixel, as Windows programs write."""
    pixels = np.zeros((picture.height, picture.width, 4), np.uint8)
    pixels[:, :, :3] = np.asarray(picture)[::-1, :, ::-1]
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    size = pixels.nbytes
    header = struct.pack("<IiiHHIIiiII", 108, *picture.size, 1, 32, 3, size, 0, 0, 0, 0)
    header += masks + b"BGRs" + bytes(48)
    return struct.pack("<2sIHHI", b"BM", 122 + size, 0, 0, 122) + header + pixels.tobytes()


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64)).mean())


def test_a_fax_of_oblong_pixels_is_drawn_as_high_as_it_is() -> None:
    fax = encoded(printed((64, 24)), "TIFF", compression="group4", dpi=(204, 98))
    drawn = decode_image(fax, "fax.tif")
    assert drawn.size == (64, 50)
    assert difference(drawn, printed(drawn.size).convert("RGB")) < 10


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_fax_that_lies_on_its_side_is_stretched_along_its_own_rows(orientation: int) -> None:
    tags = {274: orientation, 282: 204.0, 283: 98.0, 296: 2}
    drawn = decode_image(encoded(printed((64, 24)), "TIFF", tiffinfo=tags), "fax.tif")
    assert drawn.size == (50, 64)
    turned = printed((64, 50)).rotate(-90 if orientation == 6 else 90, expand=True)
    assert difference(drawn, turned.convert("RGB")) < 10


@pytest.mark.parametrize("dpi", [(300, 300), (0, 98), (72, 7200)])
def test_square_pixels_and_nonsensical_resolutions_change_nothing(dpi: tuple[int, int]) -> None:
    assert decode_image(encoded(apple(), "TIFF", dpi=dpi), "a.tif").size == (64, 48)


def test_deep_colours_are_read_and_in_planes_refused() -> None:
    deep = np.asarray(apple(), np.uint16) * 257
    assert difference(decode_image(tiff(deep, False, 1), "deep.tif"), apple()) < 2
    with pytest.raises(UnreadableImage, match=r"kind of TIFF that is not read .*in planes"):
        decode_image(tiff(deep, True, 1), "planes.tif")


@pytest.mark.parametrize(
    ("samples", "sample_format"),
    [
        (np.asarray(apple(), np.float32) / 255, 3),
        (np.dstack([np.asarray(apple("L"), np.uint16)] * 2), 1),
    ],
)
def test_a_tiff_that_is_not_read_is_not_called_damaged(
    samples: np.ndarray, sample_format: int
) -> None:
    with pytest.raises(UnreadableImage, match="kind of TIFF that is not read"):
        decode_image(tiff(samples, False, sample_format), "odd.tif")


GREY = np.asarray(apple("L"))[..., None]


@pytest.mark.parametrize(
    ("samples", "sample_format"),
    [
        pytest.param(GREY.astype(np.uint16) * 257, 1, id="16 bits"),
        pytest.param(GREY.astype(np.uint32) * 257, 1, id="32 bits that hold 16"),
        pytest.param(GREY.astype(np.float32) / 255, 3, id="floats"),
    ],
)
@pytest.mark.parametrize("down", [100, 50])
def test_deep_greys_are_as_bright_as_they_were(
    samples: np.ndarray, sample_format: int, down: int
) -> None:
    content = tiff(samples, False, sample_format, {282: (3, [100]), 283: (3, [down])})
    drawn = decode_image(content, "deep.tif")
    assert difference(drawn, apple("L").convert("RGB").resize(drawn.size)) < 3


def packed_12(samples: np.ndarray) -> np.ndarray:
    """Two numbers of 12 bits in three bytes."""
    one, other = samples[:, ::2].astype(int), samples[:, 1::2].astype(int)
    packed = np.stack([one >> 4, (one & 15) << 4 | other >> 8, other & 255], axis=2)
    return packed.reshape(len(samples), -1, 1).astype(np.uint8)


@pytest.mark.parametrize(
    ("samples", "sample_format", "changed"),
    [
        pytest.param(65_535 - GREY.astype(np.uint16) * 257, 1, {262: (3, [0])}, id="white as 0"),
        pytest.param(
            1 - GREY.astype(np.float32) / 255, 3, {262: (3, [0])}, id="floats, white as 0"
        ),
        pytest.param(
            packed_12(GREY.astype(np.uint16) * 16),
            1,
            {256: (3, [64]), 258: (3, [12])},
            id="12 bits",
        ),
        pytest.param(GREY.astype(np.uint32) * 0x1010101, 1, {}, id="32 bits"),
        pytest.param(GREY.astype(np.int32) * 0x808080, 2, {}, id="31 bits"),
        pytest.param(GREY.astype(np.int16) * 128, 2, {}, id="signed"),
    ],
)
def test_deep_greys_of_which_black_and_white_are_not_known_are_refused(
    samples: np.ndarray, sample_format: int, changed: Mapping[int, tuple[int, list[int]]]
) -> None:
    with pytest.raises(UnreadableImage, match=r"kind of TIFF that is not read .*bits of grey"):
        decode_image(tiff(samples, False, sample_format, changed), "odd.tif")


def test_a_bmp_whose_alpha_is_empty_is_opaque() -> None:
    drawn = decode_image(bmp_with_empty_alpha(apple()), "apple.bmp")
    assert difference(drawn, apple()) == 0


def test_a_film_behind_a_photograph_does_no_harm() -> None:
    photograph = encoded(apple(), "JPEG")
    film = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x08" * 100
    drawn = decode_image(photograph + film, "motion.jpg")
    assert difference(drawn, decode_image(photograph, "a.jpg")) == 0


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read(options: dict[str, int]) -> None:
    whole = encoded(apple(), "JPEG", **options)
    assert difference(decode_image(whole[:-2], "a.jpg"), decode_image(whole, "a.jpg")) == 0


@pytest.mark.parametrize("lacking", [12, 40, 200, 400])
@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"progressive": True}])
def test_a_jpeg_that_lacks_rows_is_refused(lacking: int, options: dict[str, int]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    whole = encoded(noise, "JPEG", **options)
    with pytest.raises(UnreadableImage, match="cut short"):
        decode_image(whole[:-lacking], "a.jpg")


def paged(*pages: Image.Image) -> bytes:
    return encoded(pages[0], "TIFF", save_all=True, append_images=list(pages[1:]))


def test_a_page_of_a_tiff_is_chosen() -> None:
    form = Image.new("RGB", (90, 30), "white")
    ImageDraw.Draw(form).line((5, 5, 80, 20), fill="black")
    content = paged(form, apple(), form)
    first = decode_image(content, "a.tif")
    assert (first.size, page_count(first)) == ((90, 30), 3)
    second = decode_image(content, "a.tif", page=2)
    assert (page_count(second), difference(second, apple())) == (3, 0)
    assert page_count(decode_image(encoded(apple(), "PNG"))) == 1
    with pytest.raises(UnreadableImage, match=r"^a\.tif: there is no page 4; .* 3 pages"):
        decode_image(content, "a.tif", page=4)
    with pytest.raises(UnreadableImage, match="no page 2; the picture has 1 page"):
        decode_image(encoded(apple(), "PNG"), "a.png", page=2)


def test_a_preview_within_a_tiff_is_no_page() -> None:
    preview, mark = apple().resize((32, 24)), apple().transpose(Image.Transpose.ROTATE_180)
    file = BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, new=True) as writer:
        for page, kind in ((apple(), 0), (preview, 1), (mark, 0)):
            page.save(writer, "TIFF", tiffinfo={254: kind})
            writer.newFrame()
    drawn = decode_image(file.getvalue(), page=2)
    assert (page_count(drawn), difference(drawn, mark)) == (2, 0)


def test_a_tiff_with_damage_behind_its_first_page_is_read() -> None:
    content = bytearray(paged(apple(), apple()))
    start = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, start)[0]
    struct.pack_into("<I", content, start + 2 + 12 * count, 0x7FFFFFF0)
    drawn = decode_image(bytes(content), "a.tif")
    assert (page_count(drawn), difference(drawn, apple())) == (1, 0)


@pytest.mark.parametrize("degrees", [90, 180, -90, 450])
def test_a_picture_is_turned_clockwise(degrees: int) -> None:
    turned = turn_image(apple(), degrees)
    wanted = np.rot90(np.asarray(apple()), -degrees // 90 % 4)
    assert np.array_equal(np.asarray(turned), wanted)


def test_a_slanted_picture_keeps_its_corners_and_its_paper() -> None:
    paper = Image.new("RGB", (64, 48), (250, 240, 200))
    turned = turn_image(paper, 30)
    assert min(turned.size) > 64
    assert (np.asarray(turned) == (250, 240, 200)).all()


def test_a_crop_after_a_turn_is_measured_in_the_turned_original() -> None:
    large = Image.new("RGB", (4096, 2048), "white")
    ImageDraw.Draw(large).rectangle((0, 0, 1000, 1000), fill="red")
    turned = turn_image(decode_image(encoded(large, "PNG")), 90)
    assert full_size(turned) == (2048, 4096)
    red = np.asarray(crop_image(turned, (1100, 50, 900, 900)))
    assert (red == (255, 0, 0)).all()
