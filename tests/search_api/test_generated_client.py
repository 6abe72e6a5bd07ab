"""A client that a generator makes of the OpenAPI document can do what the server can."""

import importlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

NAME = "marklens_generated"


@pytest.fixture(scope="module")
def generated(
    client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Any]]:
    """A function (module) → that module of a client made of this server's document."""
    folder = tmp_path_factory.mktemp("generated")
    document, config = folder / "openapi.json", folder / "config.json"
    document.write_text(client.get("/api/v1/openapi.json").text, "utf-8")
    config.write_text(json.dumps({"post_hooks": [], "project_name_override": NAME}))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    command += ["--path", str(document), "--config", str(config), "--output-path"]
    done = subprocess.run(  # noqa: S603
        [*command, str(folder / NAME)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        yield lambda module: importlib.import_module(f"{NAME}.{module}")
    finally:
        sys.path.remove(str(folder))


def test_it_searches_with_a_picture_and_filters(
    client: httpx.Client,
    generated: Callable[[str], Any],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    picture = generated("types").File(io.BytesIO(as_png(draw_mark(4))), "sign.png", "image/png")
    form = generated("models").SearchForm(image=picture, k=3, office=["EM"], nice=[25])
    with generated("client").Client(base_url=str(client.base_url), timeout=30) as server:
        answer = generated("api.search.search").sync(client=server, body=form)
    assert answer.hits[0].id == "M-4"
    assert {hit.office for hit in answer.hits} == {"EM"}
    assert answer.plan.matched == 4


def test_it_sends_lists_of_pictures(
    client: httpx.Client,
    generated: Callable[[str], Any],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    first, second = (
        generated("types").File(io.BytesIO(as_png(draw_mark(number))), "a.png", "image/png")
        for number in (2, 3)
    )
    form = generated("models").SearchForm(image=first, other_images=[second], k=2)
    with generated("client").Client(base_url=str(client.base_url), timeout=30) as server:
        answer = generated("api.search.search").sync(client=server, body=form)
    assert {hit.id for hit in answer.hits} == {"M-2", "M-3"}


def test_it_classifies_and_registers_a_picture(
    client: httpx.Client,
    generated: Callable[[str], Any],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    def picture() -> Any:
        return generated("types").File(io.BytesIO(as_png(draw_mark(60))), "a.png", "image/png")

    models = generated("models")
    looked_at = models.PictureForm(image=picture())
    mark = models.MarkForm(id="G-1", image=picture(), text="generated", vienna=["03.01"], nice=[9])
    with generated("client").Client(base_url=str(client.base_url), timeout=30) as server:
        seen = generated("api.search.classify").sync(client=server, body=looked_at)
        added = generated("api.marks.add_mark").sync(client=server, body=mark)
        gone = generated("api.marks.delete_mark").sync_detailed("G-1", client=server)
    assert isinstance(seen, models.ClassifyResponse)
    assert (added.id, added.text, added.vienna, added.nice) == ("G-1", "generated", ["03.01"], [9])
    assert gone.status_code == 204
