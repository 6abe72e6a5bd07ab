"""Pictures are found the way people name them in tables, and never guessed."""

from pathlib import Path

import pytest

from models.errors import BadLabels
from models.images.picture_folder import PictureFolder


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    for name in ("a.png", "B.JPG", "deep/c.gif", "deep/same.png", "same.svg", "x/t.png", "y/t.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "notes.txt").touch()
    return PictureFolder(tmp_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", "a.png"),
        ("a", "a.png"),
        ("A.PNG", "a.png"),
        ("b", "B.JPG"),
        ("b.jpg", "B.JPG"),
        ("deep/c", "deep/c.gif"),
        ("deep\\c.gif", "deep/c.gif"),
        ("./a.png", "a.png"),
        ("images/a.png", "a.png"),  # a folder that is not below this one
        ("C:\\data\\y\\t.png", "y/t.png"),  # of which the last is
        ("c.gif", "deep/c.gif"),
        ("same", "same.svg"),  # the one that lies directly here
        ("y/t", "y/t.png"),
    ],
)
def test_a_name_finds_its_picture(folder: PictureFolder, name: str, found: str) -> None:
    assert folder.find(name) == [folder.path / found]


@pytest.mark.parametrize(
    "name", ["d.png", "notes", "deep", "", "x" * 300, "z/t.png", "other/c.gif", "deep/a.png/b.png"]
)
def test_what_is_not_there_is_not_guessed(folder: PictureFolder, name: str) -> None:
    """Nor is a picture of another folder the one of that name in the folder that a table names."""
    assert folder.find(name) == []


def test_what_is_missing_is_told_from_what_could_be_several(folder: PictureFolder) -> None:
    for name in ("z/t.png", "u/t.png", "v/t.png"):
        (folder.path / name).parent.mkdir()
        (folder.path / name).touch()
    found = folder.find_all(["a", "t", "gone.png", "same"])
    assert found.found == [("a", folder.path / "a.png"), ("same", folder.path / "same.svg")]
    assert found.left_out == [
        "t: several files could be meant: u/t.png, v/t.png, x/t.png, …",
        "gone.png: no such picture",
    ]


@pytest.mark.parametrize(
    ("one", "other"), [("a", "a.png"), ("A.PNG", "a"), ("c", "deep/c.gif"), ("a", "deep/../a.png")]
)
def test_two_names_of_one_file_are_refused(folder: PictureFolder, one: str, other: str) -> None:
    with pytest.raises(BadLabels, match=f"'{one}' and '{other}' both mean "):
        folder.find_all([one, "b", other])


def test_all_pictures_below_are_listed(folder: PictureFolder) -> None:
    names = [name for name, _ in folder.pictures()]
    assert names == sorted(names)
    assert len(names) == 7


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match="nowhere: not a folder"):
        PictureFolder(tmp_path / "nowhere")
