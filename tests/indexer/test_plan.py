import pytest

from indexer.search.plan import choose


@pytest.mark.parametrize(
    ("matched", "total", "kind"),
    [
        (0, 0, "none"),
        (0, 1_000_000, "none"),
        (1, 1, "exact"),
        (1_500, 1_500, "exact"),
        (1, 1_500, "gather"),
        (3_000, 100_000, "gather"),
        (3_001, 100_000, "exact"),
        (10_000, 1_000_000, "gather"),
        (10_001, 1_000_000, "exact"),
        (1_000_000, 1_000_000, "exact"),
    ],
)
def test_few_marks_are_gathered_and_many_scanned(matched: int, total: int, kind: str) -> None:
    assert choose(matched, total) == kind


@pytest.mark.parametrize(
    ("matched", "total", "kind"),
    [
        (0, 1_000_000, "none"),
        (10_000, 1_000_000, "gather"),
        (10_001, 1_000_000, "ivf"),
        (1_000_000, 1_000_000, "ivf"),
    ],
)
def test_an_index_with_lists_visits_them_only_where_many_match(
    matched: int, total: int, kind: str
) -> None:
    assert choose(matched, total, is_exact=False) == kind


@pytest.mark.parametrize(("matched", "total"), [(-1, 10), (11, 10)])
def test_impossible_counts_are_refused(matched: int, total: int) -> None:
    with pytest.raises(ValueError, match="cannot match"):
        choose(matched, total)
