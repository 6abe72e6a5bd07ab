"""The first candidates are ranked again by how well their places match the query's."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from indexer.errors import BadQuery
from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark
from indexer.query import Hit, SearchQuery, SearchResult
from indexer.register import Register
from indexer.search.reranking import certainty
from indexer.search.searcher import Searcher
from models.encoder import Block, Embedding
from models.network.places import Places, to_bytes
from models.vienna import ViennaCode

BLOCKS = (Block("visual", 0, 16, 1.0),)
SQUARE = (0.0, 0.0, 1.0, 1.0)
GRID = 12


def places(seed: int, moved: int = 0, square: tuple[float, ...] = SQUARE) -> bytes:
    """The places of a picture: 36 cells, elsewhere where `moved`."""
    vectors = np.random.default_rng(seed).integers(-127, 128, (36, 32), np.int8)
    down, across = np.divmod(np.arange(36), 6)
    cells = (down + 2 + moved) * GRID + across + 2
    return to_bytes([Places(vectors, cells.astype(np.uint16), GRID, (*square,))])  # type: ignore[arg-type]


def near(distance: float, coded: bytes = b"") -> Embedding:
    """A vector at some distance from the query's, which is at 0."""
    vector = np.zeros((1, 16), np.float16)
    vector[0, :2] = np.cos(distance), np.sin(distance)
    return Embedding(vector, np.array([SQUARE], np.float32), coded)


@pytest.fixture
def search(
    register: Register, mark: Callable[..., EncodedMark]
) -> Iterator[Callable[..., SearchResult]]:
    """A function (marks, query, **asked) that writes marks by id and searches.

    A mark is its embedding, or that and the codes that it was assigned.
    """
    followers = []

    def run(
        marks: dict[str, Embedding | tuple[Embedding, str]], query: Embedding, **asked: object
    ) -> SearchResult:
        given = {name: one if isinstance(one, tuple) else (one, "") for name, one in marks.items()}
        register.add(
            [
                replace(
                    mark(name, vienna=tuple(map(ViennaCode.parse, codes.split()))), embedding=one
                )
                for name, (one, codes) in given.items()
            ]
        )
        follower = Follower(register, None, 16, "tiny", IndexChoice("cpu"))
        followers.append(follower)
        follower.refresh()
        return Searcher(register, follower, BLOCKS).search(SearchQuery(query, **asked))  # type: ignore[arg-type]

    yield run
    for follower in followers:
        follower.stop()


def ids(result: SearchResult) -> list[str]:
    return [hit.id for hit in result.hits]


def scores(result: SearchResult) -> list[float]:
    return [float(hit.score or 0) for hit in result.hits]


def test_a_mark_whose_places_agree_goes_before_a_nearer_one(search) -> None:
    marks = {"nearer": near(0.58, places(2)), "agrees": near(0.6, places(1, moved=1))}
    query = near(0.0, places(1))
    assert ids(search(marks, query)) == ["agrees", "nearer"]
    assert ids(search(marks, query, rerank=0)) == ["nearer", "agrees"]
    assert ids(search(marks, query, weights={"places": 0})) == ["nearer", "agrees"]


def test_the_plan_says_how_many_were_ranked_again_and_in_what_time(search) -> None:
    marks = {f"m{at}": near(0.1 * at, places(at)) for at in range(8)}
    query = near(0.0, places(0))
    plan = search(marks, query, k=2, rerank=5).plan
    assert plan.reranked == 5
    assert plan.milliseconds["rerank"] > 0
    off = search(marks, query, rerank=0).plan
    assert (off.reranked, off.milliseconds["rerank"]) == (0, 0)
    assert search(marks, near(0.0)).plan.reranked == 0  # a query without places


def test_the_same_picture_comes_first_and_scores_one(search) -> None:
    marks = {f"m{at}": near(0.2 * at, places(at)) for at in range(6)}
    result = search(marks, near(0.0, places(0)))
    assert (result.hits[0].id, result.hits[0].score) == ("m0", 1.0)
    assert result.hits[0].places is not None
    assert result.hits[0].places.share == 1.0
    assert search(marks, near(0.0, places(0)), weights={"places": 0.7}).hits[0].score == 1.0


def test_scores_fall_and_no_mark_passes_one_that_was_ranked_again(search) -> None:
    marks = {f"m{at:02}": near(0.05 * at, places(at % 3)) for at in range(30)}
    result = search(marks, near(0.0, places(0)), k=30, rerank=10)
    assert scores(result) == sorted(scores(result), reverse=True)
    assert {hit.id for hit in result.hits[:10]} == {f"m{at:02}" for at in range(10)}
    assert all((hit.places is not None) == (at < 10) for at, hit in enumerate(result.hits))
    whole = search(marks, near(0.0, places(0)), k=30, rerank=0)
    assert ids(whole)[10:] == ids(result)[10:]


def test_pages_of_one_ranking_join_whatever_their_length(search) -> None:
    marks = {f"m{at:02}": near(0.05 * at, places(at % 4, moved=at % 2)) for at in range(40)}
    query = near(0.0, places(0))
    whole = search(marks, query, k=40, rerank=20)
    for k in (1, 7, 20, 25):
        assert ids(search(marks, query, k=k, rerank=20)) == ids(whole)[:k]


def test_marks_without_places_are_ranked_as_if_nothing_agreed(search) -> None:
    marks = {"none": near(0.3), "other": near(0.35, places(7)), "agrees": near(0.31, places(1))}
    result = search(marks, near(0.0, places(1)))
    assert ids(result)[0] == "agrees"
    by_id = {hit.id: hit for hit in result.hits}
    assert by_id["none"].places is None
    assert by_id["none"].score == pytest.approx(np.cos(0.3), abs=1e-3)


def test_equal_marks_stay_in_the_order_of_their_ids(search) -> None:
    marks = {name: near(0.4, places(1)) for name in ("c", "a", "d", "b")}
    query = near(0.0, places(1))
    assert ids(search(marks, query)) == ["a", "b", "c", "d"]
    assert ids(search(marks, query, rerank=2, k=4))[:2] == ["a", "b"]


def test_a_hit_says_where_it_matches_in_both_pictures(search) -> None:
    """The mark's square lies in the right half of a wide picture, and the sign one cell lower."""
    marks = {"m": near(0.3, places(1, moved=1, square=(0.5, 0.0, 1.0, 1.0)))}
    hit: Hit = search(marks, near(0.0, places(1))).hits[0]
    assert hit.places is not None
    points = np.array(hit.places.points)
    assert len(points) == 24
    np.testing.assert_allclose(points[:, 2], 0.5 + points[:, 0] / 2, atol=1e-5)
    np.testing.assert_allclose(points[:, 3], points[:, 1] + 1 / GRID, atol=1e-5)


def test_a_rewritten_mark_is_ranked_by_its_new_places(search) -> None:
    query = near(0.0, places(1))
    assert ids(search({"a": near(0.4, places(1)), "b": near(0.39, places(2))}, query))[0] == "a"
    assert ids(search({"a": near(0.4, places(3))}, query))[0] == "b"
    assert ids(search({"b": near(0.39)}, query))[0] == "b"


def test_a_stored_embedding_has_its_places(register: Register, mark) -> None:
    register.add([replace(mark("a"), embedding=near(0.1, places(1)))])
    stored = register.embedding("a")
    assert stored is not None
    assert stored.places == places(1)
    register.delete(["a"])
    assert register.candidates([1]) == {}


LION, CAT = ViennaCode(3, 1, 1), ViennaCode(3, 1, 6)


@pytest.mark.parametrize(
    ("assigned", "agreement"),
    [("03.01.01", 1.0), ("26.04.02 03.01.06", 0.8), ("03.05.01", 0.6), ("05.03.13", 0.0), ("", 0)],
)
def test_a_mark_that_was_assigned_what_the_query_shows_comes_nearer(
    search, assigned: str, agreement: float
) -> None:
    shown = certainty([LION, *LION.ancestors()], [])
    hit = search({"m": (near(0.6), assigned)}, near(0.0), shown=shown).hits[0]
    assert hit.same_codes == pytest.approx(agreement)
    score = np.cos(0.6)
    assert hit.score == pytest.approx(score + 0.3 * agreement * (1 - score), abs=1e-3)


def test_codes_and_places_both_count_and_each_can_be_turned_off(search) -> None:
    marks = {"m": (near(0.6, places(1)), str(LION))}
    query, shown, score = near(0.0, places(1)), {LION: 1.0}, np.cos(0.6)
    rest = {
        name: (1 - search(marks, query, shown=shown, weights=weights).hits[0].score) / (1 - score)
        for name, weights in {
            "both": None,
            "codes": {"places": 0},
            "places": {"same_codes": 0},
            "strong": {"places": 0, "same_codes": 0.8},
        }.items()
    }
    assert rest["codes"] == pytest.approx(0.7, abs=1e-2)
    assert rest["strong"] == pytest.approx(0.2, abs=1e-2)
    assert rest["both"] == pytest.approx(rest["codes"] * rest["places"], abs=1e-2)
    unweighed = search(marks, query, shown=shown, weights={"same_codes": 0}).hits[0]
    assert (unweighed.same_codes, unweighed.places is not None) == (None, True)
    off = search(marks, query, shown=shown, rerank=0).hits[0]
    assert (off.same_codes, off.score) == (None, pytest.approx(score, abs=1e-3))


def test_what_is_perhaps_shown_counts_half_and_only_things_count() -> None:
    letters = ViennaCode(27, 5, 1)
    assert certainty([LION, letters], [LION, CAT, ViennaCode(29)]) == {LION: 1.0, CAT: 0.5}


def test_the_same_picture_scores_one_whatever_it_was_assigned(search) -> None:
    marks = {"same": near(0.0), "other": (near(0.2), str(LION))}
    hits = search(marks, near(0.0), shown={LION: 1.0}).hits
    assert [hit.id for hit in hits] == ["same", "other"]
    assert hits[0].score == 1.0


def test_a_mark_without_assigned_codes_counts_by_those_predicted_with_confidence(
    register: Register, mark: Callable[..., EncodedMark]
) -> None:
    """Of marks of odd seeds 02.01 is predicted with confidence, of none 01.01.02."""
    given = [
        mark("given", 1, vienna=(LION,)),
        mark("seen", 1, vienna=()),
        mark("none", 2, vienna=()),
    ]
    register.add(given)
    codes = [one.codes for _, one in sorted(register.candidates([1, 2, 3]).items())]
    assert codes == [(LION,), (ViennaCode(2, 1),), ()]


@pytest.mark.parametrize("rerank", [-1, 1001])
def test_no_more_are_ranked_again_than_a_ranking_has(rerank: int) -> None:
    with pytest.raises(BadQuery, match="rerank"):
        SearchQuery(near(0.0), rerank=rerank)
