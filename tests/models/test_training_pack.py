import gzip
import json
from pathlib import Path

import pytest

from models.errors import BadViennaCode
from models.synthesis.drawings import (
    HELD_OUT_SETS,
    read_brand_logos,
    read_pictograms,
    split_of,
    split_of_brand,
)

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M1 1h6v6z"/></svg>'


def write_pack(path: Path, rows: list[dict[str, object]]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps({"license": "MIT", "svg": SVG, "colour": False, **row}) + "\n")
    return path


def names_and_codes(path: Path) -> list[tuple[str, list[str]]]:
    return [(p.name, [str(code) for code in p.codes]) for p in read_pictograms(path)]


def test_a_pictogram_carries_its_divisions_in_order(tmp_path: Path) -> None:
    pack = write_pack(
        tmp_path / "p.gz", [{"set": "a", "name": "cat-on-cup", "codes": ["11.03", "03.01"]}]
    )
    assert names_and_codes(pack) == [("cat-on-cup", ["03.01", "11.03"])]


@pytest.mark.parametrize("code", ["27.05", "28.03", "25.01", "26.11"])
def test_drawings_with_unreliable_codes_are_left_out(tmp_path: Path, code: str) -> None:
    pack = write_pack(
        tmp_path / "p.gz",
        [
            {"set": "a", "name": "arrow-bold", "codes": ["24.15", code]},
            {"set": "a", "name": "arrow", "codes": ["24.15"]},
        ],
    )
    assert [name for name, _ in names_and_codes(pack)] == ["arrow"]


def test_misread_names_lose_the_wrong_code_only(tmp_path: Path) -> None:
    pack = write_pack(
        tmp_path / "p.gz",
        [
            {"set": "a", "name": "seal", "codes": ["03.11", "24.03"]},
            {"set": "a", "name": "wax-seal", "codes": ["24.03"]},
            {"set": "a", "name": "arrow-elbow-left", "codes": ["02.09", "24.15"]},
        ],
    )
    assert names_and_codes(pack) == [
        ("seal", ["03.11"]),
        ("wax-seal", ["24.03"]),
        ("arrow-elbow-left", ["24.15"]),
    ]


def test_brand_signs_among_pictograms_are_left_out(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "p.gz", [{"set": "a", "name": "brand-apple", "codes": ["05.07"]}])
    assert names_and_codes(pack) == []


def test_a_pack_with_sections_is_refused(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "p.gz", [{"set": "a", "name": "cat", "codes": ["03.01.06"]}])
    with pytest.raises(BadViennaCode, match=r"03\.01\.06"):
        list(read_pictograms(pack))


@pytest.mark.parametrize(
    "family",
    [
        ("emojione", "emojione-monotone"),
        ("fa", "fa-solid", "fa6-solid", "fa7-regular", "la"),
        ("boxicons", "bx", "bxs"),
        ("fluent", "fluent-mdl2", "fluent-emoji", "fluent-emoji-flat"),
        ("streamline", "streamline-color", "streamline-pixel", "guidance", "covid"),
        ("noto", "noto-v1"),
        ("material-symbols", "material-symbols-light", "ic"),
        ("mdi", "mdi-light", "memory"),
    ],
)
def test_sets_by_one_hand_are_on_one_side(family: tuple[str, ...]) -> None:
    assert len({split_of(name) for name in family}) == 1


def test_held_out_sets_are_test_and_others_train() -> None:
    assert {split_of(name) for name in HELD_OUT_SETS} == {"test"}
    assert split_of("game-icons") == "train"


def test_about_one_brand_in_five_is_test_whatever_its_case() -> None:
    brands = [f"brand {number}" for number in range(1000)]
    share = sum(split_of_brand(brand) == "test" for brand in brands) / len(brands)
    assert 0.16 < share < 0.24
    assert all(split_of_brand(brand) == split_of_brand(brand.upper()) for brand in brands[:50])


def test_logos_of_excluded_sets_are_not_read(tmp_path: Path) -> None:
    pack = write_pack(
        tmp_path / "b.gz",
        [{"set": name, "name": "x", "brand": "X"} for name in ("svgl", "logos", "cib")],
    )
    assert [logo.set for logo in read_brand_logos(pack)] == ["logos", "cib"]
    assert [logo.set for logo in read_brand_logos(pack, ("cib",))] == ["svgl", "logos"]
