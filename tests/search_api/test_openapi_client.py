"""What a client generator needs: references that resolve, examples that are true, names."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic import BaseModel

from search_api import facet_schemas, query_schemas, schemas
from search_api.http.routes.health import ReadyResponse

PATHS = {
    "/api/v1/search": {"post"},
    "/api/v1/search/report": {"post"},
    "/api/v1/batches": {"post"},
    "/api/v1/batches/{batch_id}": {"get", "delete"},
    "/api/v1/batches/{batch_id}/results": {"get"},
    "/api/v1/queries/{handle}": {"delete"},
    "/api/v1/queries/{handle}/image": {"get"},
    "/api/v1/classify": {"post"},
    "/api/v1/classify/explain": {"post"},
    "/api/v1/marks": {"get", "post"},
    "/api/v1/marks/{mark_id}": {"get", "delete"},
    "/api/v1/marks/{mark_id}/image": {"get"},
    "/api/v1/watches": {"get", "post"},
    "/api/v1/watches/{name}": {"get", "patch", "delete"},
    "/api/v1/watches/{name}/events": {"get"},
    "/api/v1/watches/{name}/feed": {"get"},
    "/api/v1/watches/{name}/read": {"post"},
    "/api/v1/watches/{name}/signs/{sign}/image": {"get"},
    "/api/v1/audit": {"get"},
    "/api/v1/vienna": {"get"},
    "/api/v1/facets": {"get"},
    "/api/v1/words": {"post"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}
SEARCH_FIELDS = {
    *(
        "image",
        "other_images",
        "other_views",
        "query",
        "keep",
        "mark_id",
        "k",
        "offset",
        "vienna_any",
        "vienna_all",
        "vienna_none",
        "vienna_source",
    ),
    *(
        "min_probability",
        "nice",
        "status",
        "office",
        "filed_from",
        "filed_to",
        "registered_from",
        "registered_to",
        "text",
        "number",
        "owner",
    ),
    *("weights", "rerank", "crop", "page", "turn", "ignore_words"),
}


@pytest.fixture(scope="module")
def described(client: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/api/v1/openapi.json").json()
    return document


def every(node: Any, key: str) -> Iterator[Any]:
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from every(child, key)


def test_the_endpoints_are_those_of_the_contract(described: dict[str, Any]) -> None:
    assert {path: set(methods) for path, methods in described["paths"].items()} == PATHS
    form = described["components"]["schemas"]["SearchForm"]
    assert set(form["properties"]) == SEARCH_FIELDS
    assert form["additionalProperties"] is False


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    references = set(every(described, "$ref"))
    assert "#/components/schemas/ProblemResponse" in references
    for reference in references:
        place = described
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_every_field_and_parameter_is_described_with_an_example_that_is_not_filled_in(
    described: dict[str, Any],
) -> None:
    for name in ("SearchForm", "ReportForm", "PictureForm", "MarkForm"):
        for field, schema in described["components"]["schemas"][name]["properties"].items():
            assert schema["description"], (name, field)
            assert field in ("image", "other_images") or " Such as `" in schema["description"]
            assert schema.get("examples", [""]) == [""], (name, field)
    for operation in (op for methods in described["paths"].values() for op in methods.values()):
        for parameter in operation.get("parameters", []):
            assert parameter["description"], operation["operationId"]
            where = operation["operationId"], parameter["name"]
            examples = parameter["schema"].get("examples", [""])
            assert (examples != [""]) is parameter["required"], where
            assert parameter["required"] or " Such as `" in parameter["description"], where


def test_every_success_has_an_example(described: dict[str, Any]) -> None:
    models = described["components"]["schemas"]
    for where, methods in described["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    is_file = content["schema"].get("format") == "binary"
                    if not status.startswith("2") or is_file:
                        continue
                    model = content["schema"].get("$ref", "").rpartition("/")[2]
                    shown = content.get("example") or models.get(model, {}).get("examples")
                    assert shown, (where, status, kind)


@pytest.mark.parametrize(
    "model",
    [
        one
        for room in (schemas, facet_schemas, query_schemas)
        for name, one in vars(room).items()
        if name.endswith(("Response", "Node", "FoundCode"))
    ],
)
def test_examples_are_what_the_server_could_answer(model: type[BaseModel]) -> None:
    for example in model.model_config.get("json_schema_extra", {}).get("examples", []):
        shown = json.loads(model.model_validate(example).model_dump_json())
        assert shown == example


def test_answers_hold_what_their_schema_says(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    image = {"image": as_png(draw_mark(1))}
    for model, answer in (
        (schemas.SearchResponse, client.post("/api/v1/search", files=image)),
        (query_schemas.ClassifyResponse, client.post("/api/v1/classify", files=image)),
        (schemas.MarkResponse, client.get("/api/v1/marks/M-1")),
        (facet_schemas.ViennaResponse, client.get("/api/v1/vienna")),
        (facet_schemas.FacetsResponse, client.get("/api/v1/facets")),
        (ReadyResponse, client.get("/readyz")),
        (schemas.ProblemResponse, client.get("/api/v1/marks/nobody")),
    ):
        assert set(model.model_validate(answer.json()).model_dump()) == set(answer.json())
