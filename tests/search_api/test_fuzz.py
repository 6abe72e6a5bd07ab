"""The whole API asked at random, with a small budget; `benchmarks.fuzz` has a large one."""

import httpx

from benchmarks.fuzz import LEAST_RIGHT, decode_damaged, fuzz
from benchmarks.fuzz_parsers import fuzz_parsers


def test_no_random_request_makes_the_server_fail(client: httpx.Client) -> None:
    answers, faults = fuzz(str(client.base_url).rstrip("/"), cases=90, seed=7)
    assert faults == []
    total = sum(statuses.total() for statuses in answers.values())
    right = sum(statuses[one] for statuses in answers.values() for one in range(200, 300))
    assert total >= 60
    assert right >= LEAST_RIGHT * total
    assert all(500 not in statuses for statuses in answers.values())


def test_damaged_pictures_are_decoded_or_refused() -> None:
    results = decode_damaged(250, seed=7)
    assert results["decoded"] >= 25
    assert results["refused"] >= 25
    assert results.total() == 250


def test_damaged_sources_codes_and_weights_are_read_or_refused() -> None:
    results, faults = fuzz_parsers(cases=40, seed=7)
    assert faults == []
    assert len(results) == 16
    for kind, counts in results.items():
        assert counts.total() >= 30, kind
        assert len(counts) >= 2 or kind == "marks.xlsx", (kind, counts)
