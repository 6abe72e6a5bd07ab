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
        ("c.gif", "deep/c.gif"),
        ("same", "same.svg"),  # the one that lies directly here
        ("y/t", "y/t.png"),
    ],
)
def test_a_name_finds_its_picture(folder: PictureFolder, name: str, found: str) -> None:
    assert folder.find(name) == folder.path / found


@pytest.mark.parametrize("name", ["d.png", "t.png", "t", "notes", "deep", "", "x" * 300])
def test_what_is_not_there_or_could_be_several_is_not_guessed(
    folder: PictureFolder, name: str
) -> None:
    assert folder.find(name) is None


def test_all_pictures_below_are_listed(folder: PictureFolder) -> None:
    names = [name for name, _ in folder.pictures()]
    assert names == sorted(names)
    assert len(names) == 7


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match="nowhere: not a folder"):
        PictureFolder(tmp_path / "nowhere")
