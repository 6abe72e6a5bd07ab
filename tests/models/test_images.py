"""Pictures of every kind people send; all are made here, in code."""

import io
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageOps

from models.errors import UnreadableImage
from models.images import crop_image, decode_image, full_size, media_type

RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
)
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP")
ORIENTATION = 0x0112


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def raw_png(
    size: tuple[int, int], depth: int, colour: int, rows: bytes, extra: bytes = b""
) -> bytes:
    """A PNG written by hand, for what Pillow cannot write; each row starts with its filter, 0."""
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def near(pixel: tuple[int, ...], wanted: tuple[int, ...], by: int = 6) -> bool:
    return all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=True))


def middle(content: bytes) -> tuple[int, ...]:
    image = decode_image(content)
    assert image.mode == "RGB"
    return image.getpixel((image.width // 2, image.height // 2))


def scene() -> Image.Image:
    """A picture that looks different turned or mirrored in any way."""
    image = Image.new("RGB", (48, 32), WHITE)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 23, 15), fill=RED)
    pen.rectangle((24, 0, 47, 15), fill=GREEN)
    pen.rectangle((0, 16, 23, 31), fill=BLUE)
    return image


# --- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_read_and_named_by_content(kind: str) -> None:
    content = saved(Image.new("RGB", (40, 30), (200, 30, 40)), kind)
    assert near(middle(content), (200, 30, 40))
    assert media_type(content) == f"image/{kind.lower()}"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_the_first_frame_of_an_animation_counts(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, GREEN, BLUE)]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert near(middle(content), RED, by=24)


def test_a_malformed_animation_does_not_cost_the_picture() -> None:
    content = saved(scene(), "PNG")
    animation = chunk(b"acTL", b"\0\0\0\0\0\0\0\0")
    assert decode_image(content[:33] + animation * 2 + content[33:]).size == (48, 32)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"id,image\n1,logo.png\n", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "PostScript"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heic", "HEIC"),
        (b"<!DOCTYPE html><html><svg></svg></html>", "not a picture"),
    ],
)
def test_what_is_no_picture_is_named_and_so_is_what_would_be(content: bytes, words: str) -> None:
    with pytest.raises(UnreadableImage, match=rf"^logo\.png: .*{words}") as refusal:
        decode_image(content, "logo.png")
    assert "PNG" in str(refusal.value) or content == b""
    assert media_type(content) == "application/octet-stream"


def test_reading_pictures_needs_neither_torch_nor_the_network() -> None:
    code = "import models.images, sys; sys.exit(bool({'torch', 'openvino'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - the line above


# --- modes, depth, colour ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_printers_colours_come_out_as_seen(kind: str) -> None:
    content = saved(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), kind)
    assert near(middle(content), RED)


def test_mid_grey_of_sixteen_bits_stays_mid_grey() -> None:
    deep = Image.fromarray(np.full((16, 16), 0x8000, np.uint16))
    rgb = raw_png((16, 16), 16, 2, (b"\0" + b"\x80\0" * 48) * 16)
    grey_alpha = raw_png((16, 16), 16, 4, (b"\0" + b"\x80\0\xff\xff" * 16) * 16)
    wide = Image.fromarray(np.full((16, 16), 0x8000, np.int32))
    share = Image.fromarray(np.tile(np.linspace(0, 1, 17, dtype=np.float32), (17, 1)))
    for content in (saved(deep, "PNG"), saved(deep, "TIFF"), rgb, grey_alpha, saved(share, "TIFF")):
        assert near(middle(content), (128, 128, 128), by=1)
    wide.putpixel((0, 0), 0xFFFF)
    assert near(middle(saved(wide, "TIFF")), (128, 128, 128), by=1)


def test_one_bit_and_palette_pictures_keep_their_colours() -> None:
    bit = Image.new("1", (16, 16), 1)
    bit.paste(0, (4, 4, 12, 12))
    assert middle(saved(bit, "PNG")) == BLACK
    assert decode_image(saved(bit, "TIFF", compression="group4")).getpixel((0, 0)) == WHITE
    assert middle(saved(Image.new("RGB", (16, 16), BLUE).quantize(4), "PNG")) == BLUE


def test_a_transparent_key_colour_shows_the_paper() -> None:
    grey_rows = (b"\0" + b"\x12\x34" * 8 + b"\x20\0" * 8) * 16
    grey = raw_png((16, 16), 16, 0, grey_rows, chunk(b"tRNS", b"\x12\x34"))
    rgb_rows = (b"\0" + b"\x80\0\x10\0\x10\0" * 8 + b"\0\0\0\0\xff\xff" * 8) * 16
    rgb = raw_png((16, 16), 16, 2, rgb_rows, chunk(b"tRNS", b"\x80\0\x10\0\x10\0"))
    palette = Image.new("P", (16, 16), 0)
    palette.putpalette([*RED, *BLUE])
    palette.paste(1, (8, 0, 16, 16))
    for content, ink in (
        (grey, (32, 32, 32)),
        (rgb, BLUE),
        (saved(palette, "PNG", transparency=0), BLUE),
        (saved(palette, "GIF", transparency=0), BLUE),
    ):
        image = decode_image(content)
        assert (image.getpixel((2, 8)), image.getpixel((13, 8))) == (WHITE, ink)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_is_that_of_its_depth(depth: int) -> None:
    key, ink = 1, 0
    bits = "".join(f"{level:0{depth}b}" for level in [key] * 8 + [ink] * 8)
    row = b"\0" + int(bits, 2).to_bytes(len(bits) // 8)
    content = raw_png((16, 16), depth, 0, row * 16, chunk(b"tRNS", struct.pack(">H", key)))
    image = decode_image(content)
    assert (image.getpixel((2, 8)), image.getpixel((13, 8))) == (WHITE, BLACK)


def test_a_dark_transparent_colour_of_sixteen_bits_leaves_a_light_one() -> None:
    row = b"\0" + struct.pack(">48H", *[200] * 24, *[0xC8C8] * 24)
    content = raw_png((16, 16), 16, 2, row * 16, chunk(b"tRNS", struct.pack(">3H", 200, 200, 200)))
    image = decode_image(content)
    assert (image.getpixel((2, 8)), image.getpixel((13, 8))) == (WHITE, (200, 200, 200))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_come_out_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = saved(scene(), kind, exif=exif.tobytes())
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    assert np.array_equal(np.asarray(decode_image(content)), np.asarray(wanted))


# Pillow says so in a warning; the picture is what counts.
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_left_aside() -> None:
    content = saved(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert decode_image(content).size == (48, 32)


@pytest.fixture(scope="module")
def swapped_profile() -> bytes:
    """A valid colour profile under which pure red is what sRGB calls pure green."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1)
    swapped = swapped.replace(b"????", b"gXYZ", 1)
    return swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_go_through_the_pictures_profile(mode: str, swapped_profile: bytes) -> None:
    picture = Image.new(mode, (16, 16), RED)
    assert near(middle(saved(picture, "PNG", icc_profile=swapped_profile)), GREEN, by=10)


def test_a_profile_that_is_broken_or_of_another_kind_is_left_aside(swapped_profile: bytes) -> None:
    picture = Image.new("RGB", (16, 16), RED)
    grey = Image.new("L", (16, 16), 90)
    assert middle(saved(picture, "PNG", icc_profile=b"not a profile")) == RED
    assert middle(saved(picture, "PNG", icc_profile=swapped_profile[:300])) == RED
    assert middle(saved(grey, "PNG", icc_profile=swapped_profile)) == (90, 90, 90)


def test_a_blank_picture_is_a_picture() -> None:
    assert middle(saved(Image.new("L", (16, 16), 255), "PNG")) == WHITE


# --- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (8, 2600)])
def test_too_small_and_too_thin_pictures_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UnreadableImage, match=r"x\.png: too (small|thin) to compare at \d"):
        decode_image(saved(Image.new("L", size), "PNG"), "x.png")


def claims_to_be_huge(kind: str) -> bytes:
    small = saved(Image.new("RGB", (16, 16)), kind)
    huge = struct.pack(">HH" if kind == "JPEG" else "<HH", 20_000, 20_000)
    at = {"JPEG": small.find(b"\xff\xc0") + 5, "GIF": 6}[kind]
    return small[:at] + huge + small[at + 4 :]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(raw_png((20_000, 20_000), 8, 2, b"\0" * 99), id="PNG"),
        pytest.param(raw_png((10_000, 8_000), 8, 2, b"\0" * 99), id="PNG below Pillow's limit"),
        pytest.param(claims_to_be_huge("JPEG"), id="JPEG"),
        pytest.param(claims_to_be_huge("GIF"), id="GIF"),
    ],
)
def test_a_bomb_is_refused_by_its_header(content: bytes) -> None:
    # A thread has warning filters of nobody: the refusal must not hang on them.
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(decode_image, content, "bomb").exception()
    assert isinstance(error, UnreadableImage)
    assert "bomb: too large at" in str(error)
    assert "64 megapixels" in str(error)


def test_a_gif_frame_larger_than_its_screen_is_refused() -> None:
    content = saved(Image.new("P", (16, 16)), "GIF")
    at = content.index(b"\x2c", 13) + 5
    with pytest.raises(UnreadableImage):
        decode_image(content[:at] + struct.pack("<HH", 60_000, 60_000) + content[at + 4 :])


def test_a_tiff_of_huge_tiles_is_refused() -> None:
    tags = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 322: 60_000, 323: 60_000}
    tags |= {324: 8, 325: 99}  # where the one tile lies, and its length
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    content = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(entries) + b"\0" * 4
    with pytest.raises(UnreadableImage, match="tiles"):
        decode_image(content)


def test_text_in_a_png_that_unpacks_to_a_bomb_is_never_unpacked() -> None:
    bomb = zlib.compress(b"\0" * 50_000_000, 9)
    content = saved(scene(), "PNG")
    text = chunk(b"zTXt", b"Comment\0\0" + bomb)
    assert decode_image(content[:33] + text * 3 + content[33:]).size == (48, 32)
    profile = chunk(b"iCCP", b"icc\0\0" + bomb)
    with pytest.raises(UnreadableImage):
        decode_image(content[:33] + profile + content[33:])


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    whole = saved(scene(), "JPEG")
    scan = b"\xff\xda\0\x0c" + bytes(10)
    thumbnail = b"\xff\xe1\0\x06\xff\xd8\xff\xd9"  # its end is not the picture's
    with pytest.raises(UnreadableImage, match="scans"):
        decode_image(whole[:2] + thumbnail + whole[2:-2] + scan * 100)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_large_pictures_are_reduced_and_remember_their_size(kind: str) -> None:
    large = scene().resize((4800, 3200), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = decode_image(saved(large, kind, exif=exif.tobytes()))
    assert image.size == (1365, 2048)
    assert full_size(image) == (3200, 4800)
    assert near(image.getpixel((1300, 50)), RED)


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_refused_not_half_decoded(kind: str) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), kind)
    whole = np.asarray(decode_image(content))
    accepted = 0
    for share in np.linspace(0.02, 0.999, 40):
        try:
            image = decode_image(content[: int(len(content) * share)])
        except UnreadableImage:
            continue
        assert np.array_equal(np.asarray(image), whole)
        accepted += 1
    assert accepted <= 4


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kind=st.sampled_from(FORMATS))
def test_damage_anywhere_gives_a_picture_or_a_refusal(data: st.DataObject, kind: str) -> None:
    content = bytearray(saved(scene(), kind))
    spots = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for at, value in data.draw(st.lists(spots, max_size=8)):
        content[at] = value
    end = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    try:
        image = decode_image(bytes(content[:end]))
    except UnreadableImage:
        return
    assert image.mode == "RGB"
    assert min(image.size) >= 8


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF"]),
    rest=st.binary(max_size=200),
)
def test_random_bytes_are_refused_and_nothing_else(start: bytes, rest: bytes) -> None:
    media_type(start + rest)
    with pytest.raises(UnreadableImage):
        decode_image(start + rest)


# --- crop ----------------------------------------------------------------------------------------


def test_a_crop_is_given_in_the_pixels_that_were_sent() -> None:
    large = scene().resize((4800, 3200), Image.Resampling.NEAREST)
    part = crop_image(decode_image(saved(large, "PNG")), (2400, 0, 2400, 1600))
    assert near(part.getpixel((part.width // 2, part.height // 2)), GREEN)
    assert part.size == full_size(part) == (1024, 683)
    assert crop_image(scene(), (0, 16, 24, 16)).getcolors() == [(24 * 16, BLUE)]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((40, 0, 20, 20), "reaches outside of the picture, which is 48 pixels wide and 32 high"),
        ((-1, 0, 20, 20), "reaches outside"),
        ((0, 0, 4, 20), "too small"),
        ((30, 20, -10, -10), "too small"),
    ],
)
def test_an_impossible_crop_is_refused(box: tuple[int, int, int, int], words: str) -> None:
    with pytest.raises(UnreadableImage, match=words):
        crop_image(scene(), box)
