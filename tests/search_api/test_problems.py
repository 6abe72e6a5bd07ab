"""One table says what each error means, for HTTP and for the command line."""

import pytest

from models.errors import BadViennaCode, MarkLensError, UnreadableImage
from search_api.errors import PROBLEMS, BadField, problem_for
from search_api.field_types import split_list
from search_api.fields import parse_codes, parse_crop, parse_weights


def kinds(of: type[MarkLensError]) -> list[type[MarkLensError]]:
    return [kind for child in of.__subclasses__() for kind in (child, *kinds(child))]


def test_every_error_of_the_lower_rooms_has_its_own_problem() -> None:
    lower = [
        kind for kind in kinds(MarkLensError) if kind.__module__.startswith(("models", "indexer"))
    ]
    assert len(lower) > 8
    assert [kind.__name__ for kind in lower if kind not in PROBLEMS] == []


def test_problem_types_differ_and_bad_input_is_exit_code_2() -> None:
    slugs = [problem.slug for problem in PROBLEMS.values()]
    assert len(set(slugs)) == len(slugs)
    assert all((problem.exit_code == 2) == (problem.status < 500) for problem in PROBLEMS.values())


def test_an_error_without_an_entry_is_its_parents_problem() -> None:
    class Blurred(UnreadableImage):
        pass

    assert problem_for(Blurred("b.png: blurred")) is PROBLEMS[UnreadableImage]


def test_a_field_that_holds_no_code_is_a_bad_code() -> None:
    with pytest.raises(BadField) as caught:
        parse_codes("vienna_any", ["03", "lion"])
    assert caught.value.field == "vienna_any"
    assert problem_for(caught.value) is PROBLEMS[BadViennaCode]


def test_lists_may_be_repeated_or_separated() -> None:
    assert split_list(["a, b;c", "", " ; ", "d"]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("visual=1,concept=.5", {"visual": 1.0, "concept": 0.5}),
        (" visual = 2 ; ", {"visual": 2.0}),
        ('{"visual": 1, "colour": 0.25}', {"visual": 1.0, "colour": 0.25}),
    ],
)
def test_weights_are_read_in_both_spellings(text: str, weights: dict[str, float]) -> None:
    assert parse_weights(text) == weights


@pytest.mark.parametrize(
    "text",
    [
        *("", "visual", "visual=", "visual=much", "visual=nan", "visual=inf", "visual=-1", "=1,"),
        *("{}", "{", '{"visual": true}', '{"visual": "1"}', '{"visual": [1]}', "[" * 400),
        *('{"visual": 1e999}', '{"visual": ' + "9" * 400 + "}", '{"a":' * 80, "visual=1" * 100),
    ],
)
def test_weights_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadField, match="weights"):
        parse_weights(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "a,b,c,d",
        "0,0,0,5",
        "-1,0,5,5",
        "1.5,0,5,5",
        "9" * 5000 + ",0,1,1",
    ],
)
def test_crops_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadField, match="crop"):
        parse_crop(text)


def test_a_crop_is_four_numbers() -> None:
    assert parse_crop(" 1, 2,30,40") == (1, 2, 30, 40)
