"""JSON as the body of whatever takes a form: the same fields, pictures as base64.

A JSON object is read into the fields of a form, which are checked as those of any form are. A list
is a field that is repeated, an object a text that holds JSON (`weights`, `notes`), null nothing.

The OpenAPI document says so in words alone: generators make broken clients of requests that have
bodies of two kinds (openapi-python-client 0.29 forgets an import).
"""

import base64
import binascii
import json
from collections.abc import Callable, Coroutine, Iterator
from io import BytesIO
from itertools import islice
from typing import Any

from fastapi import Request, Response, UploadFile
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

JSON, FORM = "application/json", "multipart/form-data"
_PICTURES = frozenset(("image", "images", "other_images"))
_JOINED = frozenset(("crop",))  # of several numbers, one value all the same
_BLANKS = b" \t\r\n"
# Few bytes can make many objects: a comma stands between any two, and in no picture.
_MOST_COMMAS = 100_000  # those in texts included
_MOST_VALUES = 3000  # a watch of 1000 pictures with their names has most


class FieldsRoute(APIRoute):
    """A route whose form may come as a JSON object, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Serve a request whose form is read from either."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            return await handler(_FieldsRequest(request.scope, request.receive))

        return handled


class _FieldsRequest(Request):
    """A request whose form is read from JSON where that was sent."""

    _fields: FormData | None = None

    async def form(self, **limits: Any) -> FormData:  # type: ignore[override]  # FastAPI awaits it
        """The fields that were sent.

        Raises:
            HTTPException: the body is no JSON object of fields, or has too many.
        """
        if media_type(self) != JSON:
            return await super().form(**{**limits, "max_fields": _MOST_VALUES})
        if self._fields is None:
            body = await self.body()
            if body.count(b",") > _MOST_COMMAS:
                raise HTTPException(400, "The body holds too many values.")
            try:
                sent = json.loads(body)
            except (ValueError, RecursionError) as error:
                raise HTTPException(400, f"The body is not JSON: {error}.") from error
            if not isinstance(sent, dict):
                raise HTTPException(422, "The body must be a JSON object, a value for each field.")
            items = (one for name in sent for one in _items(name, sent[name]))
            fields = FormData([*islice(items, _MOST_VALUES + 1)])
            if len(fields.multi_items()) > _MOST_VALUES:
                raise HTTPException(400, f"The body holds more than {_MOST_VALUES} values.")
            self._fields = fields
        return self._fields


def media_type(request: Request) -> str:
    """What a request says that its body is, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _items(name: str, value: Any) -> Iterator[tuple[str, str | UploadFile]]:
    """A field of a form for each value that is not null."""
    if name in _JOINED and isinstance(value, list):
        value = ",".join(map(str, value))
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        if name in _PICTURES:
            yield name, _upload(name, one)
        else:
            yield name, one if isinstance(one, str) else json.dumps(one)


def _upload(name: str, text: Any) -> UploadFile:
    """A picture from base64, or from a data URL of it."""
    if not isinstance(text, str):
        raise HTTPException(422, f"{name} is not base64: send a text.")
    packed = text.partition(";base64,")[2] if text.startswith("data:") else text
    try:
        content = base64.b64decode(packed.encode().translate(None, _BLANKS), validate=True)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, f"{name} is not base64: {error}.") from error
    return UploadFile(BytesIO(content), size=len(content))
