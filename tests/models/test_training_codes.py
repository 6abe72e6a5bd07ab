import numpy as np
import pytest

from models.network.label_set import CATEGORIES, LabelSet, with_ancestors
from models.synthesis.code_statistics import ALPHABET, CodeCombination, CodeStatistics
from models.vienna import ViennaCode

CAT = ViennaCode(3, 1)
STAR = ViennaCode(1, 1)
CIRCLE = ViennaCode(26, 1)


def test_labels_are_every_category_and_the_codes_with_enough_examples() -> None:
    labels = LabelSet.from_examples([{CAT}, {CAT, STAR}, {ViennaCode(26, 1, 3)}], minimum=2)
    assert set(labels.codes) == {*CATEGORIES, CAT}
    assert list(labels.codes) == sorted(labels.codes)


def test_a_section_sets_its_division_and_category() -> None:
    labels = LabelSet((*CATEGORIES[:2], CAT, *CATEGORIES[2:], CIRCLE))
    present = labels.encode([ViennaCode(26, 1, 3), CAT])
    assert {labels.codes[at] for at in np.flatnonzero(present)} == {
        ViennaCode(3),
        CAT,
        ViennaCode(26),
        CIRCLE,
    }


def test_a_code_outside_the_labels_counts_for_its_category() -> None:
    labels = LabelSet(CATEGORIES)
    assert np.flatnonzero(labels.encode([CAT])).tolist() == [CATEGORIES.index(ViennaCode(3))]


def test_rows_of_many_marks_are_those_of_each() -> None:
    labels = LabelSet.from_examples([{CAT}, {STAR}], minimum=1)
    table = labels.encode_all([{CAT}, set(), {STAR, CIRCLE}])
    assert table.dtype == np.float32
    for row, codes in zip(table, [{CAT}, set(), {STAR, CIRCLE}], strict=True):
        assert np.array_equal(row, labels.encode(codes))
    assert labels.encode_all([]).shape == (0, len(labels.codes))


def test_ancestors_are_added_once() -> None:
    assert with_ancestors([CAT, ViennaCode(3)]) == {CAT, ViennaCode(3)}


def test_combinations_are_drawn_as_often_as_counted() -> None:
    marks = [(["030101"], True)] * 30 + [(["010102", "260103"], False)] * 10
    statistics = CodeStatistics.count(marks)
    rng = np.random.default_rng(0)
    drawn = [statistics.draw(rng) for _ in range(400)]
    share = (
        sum(combination == CodeCombination(frozenset({CAT}), True) for combination in drawn) / 400
    )
    assert share == pytest.approx(0.75, abs=0.07)
    assert CodeCombination(frozenset({STAR, CIRCLE}), False) in drawn


def test_the_offices_own_codes_become_the_classifications() -> None:
    statistics = CodeStatistics.count([(["269902", "279901", "980103"], True)])
    combination = statistics.draw(np.random.default_rng(0))
    assert combination.divisions == {CIRCLE, ALPHABET}
