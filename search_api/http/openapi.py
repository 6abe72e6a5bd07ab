"""What the OpenAPI document says beyond what FastAPI writes of itself."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from search_api.schemas import ProblemResponse

_SCHEMAS = "#/components/schemas/"
_ETAG = {
    "schema": {"type": "string"},
    "description": "Sent as `If-None-Match`, it is answered by 304 while the answer is the same.",
}


def complete(app: FastAPI) -> None:
    """Put the schema of a problem into the document, and examples into words.

    `documented` points to that schema. The page `/docs` puts every example into its form, and a
    value of its own where there is none: all that may be left out would be sent. So an empty text
    stands there, which is a field that is not given.
    """
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()  # the same each time
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemResponse" not in schemas:
            schema = ProblemResponse.model_json_schema(ref_template=_SCHEMAS + "{model}")
            schemas |= schema.pop("$defs") | {"ProblemResponse": schema}
            for answers in _answers(document):
                if "304" in answers:
                    answers["200"].setdefault("headers", {})["ETag"] = _ETAG
            for place, schema in _fields(document):
                place["description"] += _such_as(schema.pop("examples", []))
                if "default" not in schema and schema.get("format") != "binary":
                    schema["examples"] = [""]  # else the page makes a value up
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI says to extend it


def _answers(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers of each operation, by status."""
    for methods in document["paths"].values():
        for operation in methods.values():
            yield operation["responses"]


def _fields(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each field of a form, and each parameter that may be left out: what is described, schema."""
    forms = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            for one in operation.get("parameters", []):
                if not one["required"]:
                    yield one, one["schema"]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                forms.add(content["schema"]["$ref"].removeprefix(_SCHEMAS))
    for name in sorted(forms):
        for schema in document["components"]["schemas"][name]["properties"].values():
            yield schema, schema


def _such_as(examples: list[Any]) -> str:
    """The first example in words."""
    if not examples:
        return ""
    values = examples[0] if isinstance(examples[0], list) else [examples[0]]
    return f" Such as `{', '.join(map(str, values))}`."
