"""Labels as people keep them: one-hot columns and lists of codes, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import BadLabels
from models.evaluation.labels_csv import read_labels
from models.vienna import ViennaCode


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    "heading",
    [
        "filename,01,03,29",
        "image,1,3,29",
        "File,cat_01,cat_03,cat_29",
        "filename,category 1,category 3,category 29",
        "filename,01 Celestial,03 Animals,29 Colours",
        "Image Name,Vienna_01,Vienna_03,Vienna_29",
        "file-name,Vienna code 1,Vienna code 3,Vienna code 29",
        "img,vienna.class.01,animals,29",
    ],
)
def test_the_29_columns_are_read_however_they_are_headed(tmp_path: Path, heading: str) -> None:
    table = read_labels(written(tmp_path, f"{heading}\na.png,1,0,1\nb.png,0,1.0,False\n"))
    assert table.filenames == ("a.png", "b.png")
    assert table.codes == (ViennaCode(1), ViennaCode(3), ViennaCode(29))
    assert table.targets.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert table.of(0) == (ViennaCode(1), ViennaCode(29))


def test_titles_with_commas_do_not_hide_the_semicolons(tmp_path: Path) -> None:
    text = "filename;01 Stars, moons, maps;03 Animals, real, imagined\na.png;1;0\n"
    table = read_labels(written(tmp_path, text))
    assert table.codes == (ViennaCode(1), ViennaCode(3))
    assert table.targets.tolist() == [[1, 0]]


@pytest.mark.parametrize("heading", ["", "Unnamed: 0", "index", "Unnamed: 0.1"])
def test_row_numbers_before_the_names_are_passed_over(tmp_path: Path, heading: str) -> None:
    table = read_labels(written(tmp_path, f"{heading},filename,01\n0,a.png,1\n1,b.png,0\n"))
    assert table.codes == (ViennaCode(1),)
    assert table.targets.tolist() == [[1], [0]]


@pytest.mark.parametrize("heading", ["", "Unnamed: 0", "index"])
def test_an_index_of_file_names_is_one(tmp_path: Path, heading: str) -> None:
    table = read_labels(written(tmp_path, f"{heading},01\n7.png,1\n8.png,0\n"))
    assert table.filenames == ("7.png", "8.png")
    with pytest.raises(BadLabels, match="call it 'filename'"):
        read_labels(written(tmp_path, f"{heading},01\n0,1\n1,0\n"))


@pytest.mark.parametrize("nothing", ["", "NaN", "nan", "None", "null"])
def test_what_pandas_writes_for_nothing_is_no(tmp_path: Path, nothing: str) -> None:
    table = read_labels(written(tmp_path, f"filename,01,03\na.png,1,{nothing}\n"))
    assert table.targets.tolist() == [[1, 0]]
    table = read_labels(written(tmp_path, f"filename,codes\na.png,{nothing}\nb.png,01\n"))
    assert table.targets.tolist() == [[0], [1]]


@pytest.mark.parametrize("heading", ["label", "Labels", "Category", "categories", "classes"])
def test_lists_of_codes_are_headed_as_people_do(tmp_path: Path, heading: str) -> None:
    table = read_labels(written(tmp_path, f"filename,{heading}\na.png,05.03;27\n"))
    assert [str(code) for code in table.of(0)] == ["05.03", "27"]


def test_codes_without_quotes_between_semicolons_are_not_lost(tmp_path: Path) -> None:
    table = read_labels(written(tmp_path, "filename;codes\na.png;05.03.13;27\nb.png;01\n"))
    assert [[str(code) for code in table.of(row)] for row in (0, 1)] == [["05.03.13", "27"], ["01"]]
    with pytest.raises(BadLabels, match="row 2: 4 cells, the heading has 3"):
        read_labels(written(tmp_path, "filename,codes,text\na.png,05,27,Nova\n"))


@pytest.mark.parametrize("codes", ['"5,3,13"', "5,3,13", "5,3,13,,"])
def test_codes_that_could_be_one_or_three_are_refused_with_and_without_quotes(
    tmp_path: Path, codes: str
) -> None:
    with pytest.raises(BadLabels, match="row 2, column 'codes'"):
        read_labels(written(tmp_path, f"filename,codes\na.png,{codes}\nb.png,01\n"))


def test_blank_lines_do_not_shift_the_row_that_a_fault_names(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match="row 5"):
        read_labels(written(tmp_path, "filename,01\na.png,1\n\n,\nb.png,maybe\n"))


def test_lists_of_codes_are_read_in_offices_spellings(tmp_path: Path) -> None:
    table = read_labels(written(tmp_path, "filename,codes\na.png,5.3.13;270501\nb.png,\n"))
    assert [str(code) for code in table.of(0)] == ["05.03.13", "27.05.01"]
    assert table.of(1) == ()


def test_semicolons_tabs_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    for sign in ";\t":
        path = written(tmp_path, f"\ufefffilename{sign}01{sign}02\na.png{sign}1{sign}0\n")
        assert read_labels(path).targets.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no rows"),
        ("filename,01\n", "no rows"),
        ("picture of,01\na,1\n", "call it 'filename'"),
        ("filename,zoo,01\na.png,1,1\n", "'zoo' names no Vienna code .*or drop the column"),
        ("filename,seen\na.png,05;03\n", "'seen' names no Vienna code .*call it 'codes'"),
        ("filename,01,1\na.png,1,0\n", "two columns are headed 01"),
        ("filename,01\na.png,maybe\n", "row 2, column '01': 'maybe'"),
        ("filename,01,02\na.png,1\n", "row 2: 2 cells"),
        ("filename,01\na.png,1\na.png,0\n", "row 3: 'a.png' already stands in row 2"),
        ("filename,codes\na.png,5.x\n", "row 2, column 'codes'"),
        ("filename\na.png\n", "no label columns"),
    ],
)
def test_faults_are_named_with_row_and_column(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadLabels, match=named.replace("(", r"\(")):
        read_labels(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match=r"none\.csv: cannot be read"):
        read_labels(tmp_path / "none.csv")


@given(st.text(max_size=300))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_text_does_worse_than_a_named_fault(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wild.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        table = read_labels(path)
    except BadLabels:
        return
    assert table.targets.shape == (len(table.filenames), len(table.codes))
    assert np.isin(table.targets, (0, 1)).all()
