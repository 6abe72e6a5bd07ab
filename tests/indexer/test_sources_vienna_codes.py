"""Vienna codes in the spellings that tables and offices' files have."""

import pytest

from models.errors import BadViennaCode
from models.vienna import ViennaCode


@pytest.mark.parametrize(
    "text",
    ["26.04.01", "26.4.1", "260401", "26/4/1", "26-04-01", "26 4 1", "26.04.01.", "A 26.4.1",
     "VC 26.04.01", "CFE 26.4.1", "(7) 26.4.1", "VCL(7) 26.4.1", " 26. 4. 1 ", "A26.04.01",
     "26.04.01 (2)", "26.4.1(8)", "CFE(7) 26.04.01. (2)",
     "CFE7 26.4.1", "VCL7 26.4.1", "CFE(7)-26.4.1", "CFE7-26.4.1"],
)  # fmt: skip
def test_vienna_codes_are_read_in_all_the_spellings_offices_use(text: str) -> None:
    assert ViennaCode.parse(text) == ViennaCode(26, 4, 1)


@pytest.mark.parametrize("text", ["", "lion", "26.4.1.1", "26..4", "(7)", "26040", "-26"])
def test_what_is_no_vienna_code_is_not_made_one(text: str) -> None:
    with pytest.raises(BadViennaCode):
        ViennaCode.parse(text)
