"""The OpenAPI document is good enough to generate a client from."""

import json
import re
from typing import Any

import httpx
import pytest


@pytest.fixture
def document(client: httpx.Client) -> dict[str, Any]:
    return client.get("/api/v1/openapi.json").json()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_has_a_name_a_summary_and_words(document: dict[str, Any]) -> None:
    found = operations(document)
    assert len(found) >= 9
    names = [operation["operationId"] for _, operation in found]
    assert len(set(names)) == len(names)
    for where, operation in found:
        assert operation["summary"], where
        assert operation["description"], where


def test_every_api_operation_documents_its_problems(document: dict[str, Any]) -> None:
    for where, operation in operations(document):
        if "/api/v1/" in where:
            problems = [status for status in operation["responses"] if int(status) >= 400]
            assert problems, where
            for status in problems:
                assert "application/problem+json" in operation["responses"][status]["content"], (
                    where,
                    status,
                )


def test_a_search_documents_every_reason_to_come_again(document: dict[str, Any]) -> None:
    answer = document["paths"]["/api/v1/search"]["post"]["responses"]["503"]
    reasons = answer["content"]["application/problem+json"]["examples"]
    assert {"too-busy", "database-lost", "server-ends"} <= reasons.keys()
    assert "Retry-After" in answer["headers"]


def test_what_may_be_held_says_by_which_tag(document: dict[str, Any]) -> None:
    held = [one["responses"] for _, one in operations(document) if "304" in one["responses"]]
    assert len(held) >= 4
    assert all("If-None-Match" in one["200"]["headers"]["ETag"]["description"] for one in held)


def test_what_takes_pictures_documents_a_full_disk_and_a_missing_extra(
    document: dict[str, Any],
) -> None:
    for where, operation in operations(document):
        if "413" in operation["responses"]:
            assert "507" in operation["responses"], where
    for path in ("/search/report", "/watches"):
        assert "501" in document["paths"]["/api/v1" + path]["post"]["responses"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert "ProblemResponse" in references


def test_answers_have_examples(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in (
        "HitResponse",
        "PlanResponse",
        "MarkResponse",
        "PredictedResponse",
        "ProblemResponse",
    ):
        assert schemas[name].get("examples"), name


def test_no_page_of_the_server_needs_another_host(client: httpx.Client) -> None:
    for page in ("/", "/docs"):
        answer = client.get(page)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "http://" not in answer.text
        assert "https://" not in answer.text
