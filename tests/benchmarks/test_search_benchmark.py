"""The benchmark of the search tells the truth about small registers; no peer, no time is tested."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.search_data import CASES, BlockShape, Case, Dataset, K, scaled, write_truth
from benchmarks.search_peers import Setting, climb
from benchmarks.search_product import build, register_url, search
from benchmarks.search_register import mark_id, row_of, write_register
from benchmarks.search_report import report
from benchmarks.search_synthesis import Real, synthesise
from benchmarks.search_targets import Target, targets

MARKS, QUERIES = 640, 4
BLOCKS = (
    BlockShape("visual", 0, 16, 1.0),
    BlockShape("concept", 16, 24, 0.5),
    BlockShape("colour", 24, 28, 0.25),
)


def real_embeddings() -> Real:
    rng = np.random.default_rng(5)
    drawn = rng.standard_normal((60 + 70, 28)).astype(np.float32)
    real = Real(drawn[:60], BLOCKS, drawn[60:], np.sort(rng.integers(0, 60, 70)))
    real.unit(drawn)
    return real


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("benchmark")
    synthesise(folder, real_embeddings(), MARKS, QUERIES, seed=1)
    write_truth(Dataset(folder))
    return Dataset(folder)


def nearest(dataset: Dataset, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
    scores = dataset.vectors.astype(np.float32) @ query
    scores[~dataset.allowed(code)] = -np.inf
    order = np.argsort(-scores)[:K]
    return order[np.isfinite(scores[order])]


class SlowTwin:
    """A peer that compares everything and returns as many of the nearest as its effort says."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._effort = 0

    def build(self, dataset: Dataset, folder: Path) -> None: ...

    def open(self, dataset: Dataset, folder: Path) -> None: ...

    def settings(self, case: Case) -> Sequence[Setting]:
        return [{"effort": effort} for effort in (10, 48, 50, 99)]

    def prepare(self, setting: Setting, code: int | None) -> None:
        self._effort = setting["effort"]

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        return nearest(self._dataset, query, code)[: self._effort]

    def memory_elsewhere_mb(self) -> float:
        return 0.0

    def close(self) -> None: ...


def test_the_same_seed_draws_the_same_register(dataset: Dataset, tmp_path: Path) -> None:
    synthesise(tmp_path, real_embeddings(), MARKS, QUERIES, seed=1)
    for name in ("vectors.npy", "parts.npy", "owners.npy", "planted.npy"):
        assert (tmp_path / name).read_bytes() == (dataset.folder / name).read_bytes()


def test_drawn_blocks_have_unit_length(dataset: Dataset) -> None:
    for block in BLOCKS:
        part = dataset.vectors[:, block.start : block.stop].astype(np.float32)
        assert np.linalg.norm(part, axis=1) == pytest.approx(np.ones(MARKS), abs=2e-3)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_filter_lets_its_share_of_the_marks_pass(dataset: Dataset, case: Case) -> None:
    for query in range(QUERIES):
        passing = np.count_nonzero(dataset.allowed(case.code(query)))
        assert passing == max(1, round(case.share * MARKS))


def test_marks_of_a_correlated_code_are_nearer_to_its_queries(dataset: Dataset) -> None:
    case = Case("correlated", 1)
    scores = dataset.scaled(case) @ dataset.vectors.astype(np.float32).T
    for query in range(QUERIES):
        inside = dataset.allowed(case.code(query))
        assert scores[query, inside].mean() > scores[query, ~inside].mean() + 0.1


def test_planted_codes_are_told_by_row_as_by_code(dataset: Dataset) -> None:
    rows = dataset.codes_of_rows(8, 80)
    for code in range(25):
        assert [code in borne for borne in rows] == dataset.allowed(code)[8:80].tolist()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_nearest_have_recall_1_and_others_do_not(dataset: Dataset, case: Case) -> None:
    queries = dataset.scaled(case)
    right = [nearest(dataset, queries[q], case.code(q)) for q in range(QUERIES)]
    assert dataset.recall(case, right) == 1.0
    assert dataset.recall(case, [rows[: len(rows) // 2] for rows in right]) <= 0.5
    assert dataset.recall(case, [np.full(K, -1) for _ in right]) == 0.0


def test_a_mark_scores_as_its_best_pair_does(dataset: Dataset) -> None:
    case, losses = Case("correlated", 0), dataset.facts.losses
    found = dataset.pair_scores(case, 1, np.arange(MARKS))
    query = scaled(dataset.query_vectors(case, 1), BLOCKS)
    for row in range(MARKS):
        vectors = dataset.vectors_of_row(row).astype(np.float32)
        assert found[row] == pytest.approx(
            max(
                one @ other - losses[(i > 0) + (j > 0)]
                for i, one in enumerate(query)
                for j, other in enumerate(vectors)
            ),
            abs=1e-5,
        )


def test_rows_that_the_filter_forbids_do_not_count(dataset: Dataset) -> None:
    case = Case("uncorrelated", 0)
    queries = dataset.scaled(case)
    unfiltered = [nearest(dataset, query, None) for query in queries]
    assert dataset.recall(case, unfiltered) < 0.9


def test_a_peer_is_reported_at_its_cheapest_setting_for_each_recall(dataset: Dataset) -> None:
    found = climb(SlowTwin(dataset), dataset, Case("all"), limit_s=60)
    settings = {level: one["setting"]["effort"] for level, one in found["levels"].items()}
    assert settings == {"0.95": 48, "0.99": 50}
    assert found["best"]["recall"] == 1.0


def test_a_peer_without_time_is_reported_with_what_it_reached(dataset: Dataset) -> None:
    found = climb(SlowTwin(dataset), dataset, Case("all"), limit_s=0)
    assert found["levels"] == {}
    assert found["over"] is True
    assert found["best"]["queries"] == 1


def test_the_product_is_measured_on_the_same_marks_and_reported(dataset: Dataset) -> None:
    write_register(dataset, register_url(dataset.folder))
    built = build(dataset.folder, "exact")
    found = search(dataset.folder, "exact")
    assert built["marks"] == MARKS
    for case in CASES:
        for measured in (found["cases"][case.name], found["pairs"][case.name]):
            assert measured["recall"] == 1.0, case.name
            assert measured["matched"] == max(1, round(case.share * MARKS))
    size = {
        "marks": MARKS,
        "bytes": dataset.bytes,
        "statistics": dataset.facts.statistics,
        "floors": [{"best": 0.1, "p50": 0.2}],
        "product": {"exact": {"build": built, "search": found}},
        "peers": {"twin": {"search": {"cases": {}}}},
    }
    machine = {"processor": "a", "cores": 1, "memory_gb": 1, "python": "3"}
    text = report({"machine": machine, "threads": 1, "sizes": [size]})
    verdicts = {target.claim: target.verdict for target in targets(size)}
    assert verdicts["IVF, no filter"] == "not measured"
    for claim, verdict in verdicts.items():
        assert f"| {claim} |" in text
        assert verdict in text


def test_a_missed_target_says_by_how_much() -> None:
    assert Target("a", 3.0, 2.0, "ms").verdict == "missed by 1 ms (50%)"
    assert Target("a", 2.0, 2.0, "ms").verdict == "met"
    assert Target("a", 0.9, 0.99, "", at_least=True).verdict.startswith("missed by 0.09")


def test_a_row_is_found_again_by_its_mark() -> None:
    assert row_of(mark_id(1_234_567)) == 1_234_567
