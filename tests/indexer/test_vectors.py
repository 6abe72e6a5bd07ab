import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from indexer.index.row_sets import RowSet
from indexer.index.vectors import (
    CpuBuilder,
    IndexBuilder,
    IndexChoice,
    TorchBuilder,
    VectorIndex,
    open_builder,
)
from models.errors import MissingPackage

HAS_CUDA = torch.cuda.is_available()
BUILDERS = [
    pytest.param(CpuBuilder(), id="faiss-cpu"),
    pytest.param(TorchBuilder("cpu"), id="torch-cpu"),
    pytest.param(
        TorchBuilder("cuda"),
        id="torch-cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not HAS_CUDA, reason="no CUDA device")],
    ),
]
ROWS, DIMENSION = 4_000, 48


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((ROWS, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture(params=BUILDERS)
def index(request: pytest.FixtureRequest, vectors: np.ndarray) -> VectorIndex:
    build: IndexBuilder = request.param
    return build(vectors)


@pytest.fixture
def query(vectors: np.ndarray) -> np.ndarray:
    return vectors[17].astype(np.float32) * np.float32(0.7)


def exact_order(vectors: np.ndarray, query: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    scores = vectors[rows].astype(np.float64) @ query.astype(np.float64)
    return rows[np.argsort(-scores, kind="stable")[:k]]


def test_a_scan_of_all_rows_is_the_exact_ranking(index, vectors, query) -> None:
    nearest = index.scan(query, 50, None)
    assert nearest.rows.tolist() == exact_order(vectors, query, np.arange(ROWS), 50).tolist()
    exact = vectors[nearest.rows].astype(np.float64) @ query
    np.testing.assert_allclose(nearest.scores, exact, atol=1e-6)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.9])
def test_a_scan_finds_allowed_rows_only_and_misses_none(index, vectors, query, share) -> None:
    allowed = np.random.default_rng(5).random(ROWS) < share
    allowed[17] = False  # the nearest of all
    rows = np.flatnonzero(allowed)
    k = min(30, len(rows))
    assert (
        index.scan(query, k, RowSet.of_mask(allowed)).rows.tolist()
        == exact_order(vectors, query, rows, k).tolist()
    )


def test_gathering_rows_ranks_just_those(index, vectors, query) -> None:
    rows = np.array([5, 17, 900, 3_999])
    nearest = index.gather(query, 3, rows)
    assert nearest.rows.tolist() == exact_order(vectors, query, rows, 3).tolist()
    assert nearest.rows[0] == 17


def test_vectors_come_back_bit_for_bit_and_cannot_be_changed(index, vectors) -> None:
    assert len(index) == ROWS
    np.testing.assert_array_equal(index.vectors(), vectors)
    np.testing.assert_array_equal(index.vectors(np.array([3, 1])), vectors[[3, 1]])
    with pytest.raises(ValueError, match="read-only"):
        index.vectors()[0, 0] = 1


@pytest.mark.parametrize("build", BUILDERS)
def test_an_index_may_be_empty(build: IndexBuilder) -> None:
    empty = build(np.zeros((0, DIMENSION), np.float16))
    assert len(empty) == 0
    assert empty.vectors().shape == (0, DIMENSION)


def test_auto_takes_the_cpu_where_there_is_no_cuda() -> None:
    if HAS_CUDA:
        pytest.skip("there is a CUDA device")
    assert "cpu" in open_builder(IndexChoice())(np.zeros((1, 4), np.float16)).name


def test_searching_on_a_cpu_imports_no_torch() -> None:
    text = (
        "import sys, numpy, indexer.search.searcher\n"
        "from indexer.index.vectors import IndexChoice, open_builder\n"
        "open_builder(IndexChoice('cpu'))(numpy.zeros((1, 4), numpy.float16))\n"
        "assert 'torch' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", text], cwd=root, check=True)  # noqa: S603 - our own text


def test_asking_for_cuda_where_there_is_none_says_what_to_do() -> None:
    if HAS_CUDA:
        pytest.skip("there is a CUDA device")
    with pytest.raises(MissingPackage, match="MARKLENS_DEVICE=cpu"):
        open_builder(IndexChoice("cuda"))


def test_missing_faiss_says_which_extras_bring_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # what Python itself does for "not there"
    with pytest.raises(MissingPackage, match=r"pip install '.\[cpu\]' or '.\[gpu\]'"):
        open_builder(IndexChoice())


def test_a_filter_that_forbids_the_nearest_half_misses_none(index, vectors, query) -> None:
    scores = vectors.astype(np.float32) @ query
    allowed = scores < np.median(scores)
    expected = exact_order(vectors, query, np.flatnonzero(allowed), 30).tolist()
    assert index.scan(query, 30, RowSet.of_mask(allowed)).rows.tolist() == expected
