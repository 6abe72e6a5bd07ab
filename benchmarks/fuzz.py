"""The whole HTTP API, asked at random: no answer may be a failure, and a third must be right.

``python -m benchmarks.fuzz [--cases 10000] [--pictures 10000] [--inputs 1000]`` serves some
marks of the demo register in a process of its own, and lets Schemathesis make requests of the
OpenAPI document that the server gives, an equal number for each operation. Pictures are real ones
and damaged copies of them. Half of the requests name marks, watches and kept pictures that there
are, and leave out all fields that may be, since nearly none whose every field is random is right.

Damaged pictures are also decoded by themselves, and damaged sources of each kind, codes and weights
read (`--inputs` of each), and counted by what became of them.

Printed are the answers of each operation by status, as they come. It exits with 1 where one was a
failure (a status from 500 on, but for a shed 503 with Retry-After), less than 30 % were 2xx, or
another input was neither read nor refused in words. The server has a small network of the real
code, so that ten thousand cases take minutes, or the one that MARKLENS_CHECKPOINT names.
"""

import argparse
import io
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import hypothesis
import requests
import schemathesis
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz_parsers import fuzz_parsers
from benchmarks.load import index, serving
from benchmarks.small_network import save_small_network
from models.errors import UnreadableImage
from models.images import decode_image, media_type
from search_api.demo import demo_register
from search_api.marklens import MarkLens
from search_api.settings import Settings

LEAST_RIGHT = 0.3
API = "/api/v1"
Answers = dict[str, Counter[int]]


def main() -> None:
    """Ask, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--marks", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kinds, failed = fuzz_parsers(options.inputs, options.seed)
    for kind, counts in kinds.items():
        print(f"{kind:40}", dict(counts), flush=True)
    decoded = decode_damaged(options.pictures, options.seed)
    print(f"{decoded.total()} damaged pictures:", dict(decoded), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder) / "data")
        if settings.checkpoint is None:
            save_small_network(network := Path(folder) / "network")
            settings = settings.model_copy(update={"checkpoint": network})
        with MarkLens.open(settings) as marklens:
            index(marklens, options.marks)
        with serving(settings) as (address, _):
            answers, faults = fuzz(address, options.cases, options.seed)
    sys.exit(report(answers, failed + faults))


def report(answers: Answers, faults: list[str]) -> int:
    """Print what came, and say by an exit code whether it is as it should be."""
    total = sum(statuses.total() for statuses in answers.values())
    right = sum(statuses[one] for statuses in answers.values() for one in range(200, 300))
    print(f"{total} cases, {right / total:.0%} answered 2xx, {len(faults)} failures")
    print("\n".join(faults[:20]))
    return int(bool(faults) or right < LEAST_RIGHT * total)


@dataclass(frozen=True)
class Known:
    """What a likely request names.

    Attributes:
        marks: ids of marks with a picture.
        watches: names of watches, with the keys of their feeds.
        handles: of pictures that the server keeps.
    """

    marks: list[str]
    watches: dict[str, str]
    handles: list[str]


def fuzz(address: str, cases: int, seed: int) -> tuple[Answers, list[str]]:
    """Ask a server; the answers of each operation by status, and what was a failure."""
    schemathesis.openapi.format("binary", pictures(seed))
    schema = schemathesis.openapi.from_url(f"{address}{API}/openapi.json")
    operations = [one.ok() for one in schema.get_all_operations()]
    answers: Answers = defaultdict(Counter)
    faults: list[str] = []
    with httpx.Client(base_url=address + API, timeout=60) as client:
        ids = [mark["id"] for mark in client.get("/marks", params={"k": 20}).json()["marks"]]
        for operation in operations:
            name = f"{operation.method.upper()} {operation.path}"
            known = made_known(client, ids)
            count = max(1, cases // len(operations))
            _fuzz_operation(operation, count, seed, known, answers[name], faults)
            print(f"{name:40}", dict(sorted(answers[name].items())), flush=True)
    return answers, faults


def made_known(client: httpx.Client, ids: list[str]) -> Known:
    """Register, watch and keep again what the requests before may have deleted."""
    picture = {"image": _files()[0]}
    for one in ids:
        if client.get(f"/marks/{quote(one, safe='')}/image").is_error:
            client.post("/marks", files=picture, data={"id": one}).raise_for_status()
    names = ["Our lions", "Stars 2", "x"]
    for one in names:
        if client.get(f"/watches/{quote(one)}").status_code == 404:
            client.post(
                "/watches", data={"name": one, "threshold": 0.2, "marks": ids[:2]}
            ).raise_for_status()
    watches = client.get("/watches").raise_for_status().json()["watches"]
    feeds = {one["name"]: one["feed"].rpartition("key=")[2] for one in watches}
    searches = [client.post("/search", files={"image": one}) for one in _files()[:3]]
    handles = [one.raise_for_status().json()["query"]["pictures"][0]["handle"] for one in searches]
    return Known(ids, {one: feeds[one] for one in names}, handles)


def _fuzz_operation(
    operation: Any,
    cases: int,
    seed: int,
    known: Known,
    statuses: Counter[int],
    faults: list[str],
) -> None:
    fields, required = _fields(operation)
    session = requests.Session()  # one connection, not one for each case

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(), drawn=st.randoms(use_true_random=True))
    def ask(case: Any, drawn: random.Random) -> None:
        tame(case, drawn, known, fields, required)
        answer = case.call(timeout=120, session=session)
        statuses[answer.status_code] += 1
        is_shed = answer.status_code == 503 and "retry-after" in answer.headers
        if answer.status_code >= 500 and not is_shed:
            asked = f"{operation.method.upper()} {operation.path}"
            faults.append(f"{asked}: {answer.status_code} {answer.text[:200]}")

    ask()


def pictures(seed: int) -> st.SearchStrategy[bytes]:
    """Files of every format: whole, damaged, and none at all."""
    files, damaged = _files(), list(islice(damaged_files(seed), 200))
    whole = [one for one in files if media_type(one) == "image/png"]
    return st.one_of(st.sampled_from(whole), st.sampled_from(files + damaged))


def damaged_files(seed: int) -> Iterator[bytes]:
    """Pictures with a few bytes changed, a quarter of them also cut short, without an end."""
    files, drawn = _files(), random.Random(seed)
    while True:
        content = bytearray(drawn.choice(files))
        for _ in range(drawn.randint(1, 4)):
            content[drawn.randrange(len(content))] = drawn.randrange(256)
        yield bytes(content[: drawn.choice((*3 * (len(content),), drawn.randint(1, len(content))))])


def decode_damaged(count: int, seed: int) -> Counter[str]:
    """Decode damaged pictures; how many were decoded, refused, and refused with their process."""
    results: Counter[str] = Counter()
    for content in islice(damaged_files(seed), count):
        try:
            decode_image(content)
        except UnreadableImage as error:
            lost = isinstance(error.__cause__, Exception)
            results["refused, its process replaced" if lost else "refused"] += 1
        else:
            results["decoded"] += 1
    return results


@cache
def _files() -> list[bytes]:
    """Real logos in each format, and odd files."""
    logos = sorted((demo_register() / "images").glob("*.png"))[::80]
    cases = Path(__file__).parents[1] / "tests/data/cases"
    odd = [one for one in sorted(cases.rglob("*")) if one.is_file() and one.stat().st_size]
    found = [one.read_bytes() for one in (*logos, *odd)]
    for one in logos[:6]:
        for kind in ("JPEG", "BMP", "GIF", "WEBP", "TIFF", "AVIF"):
            file = io.BytesIO()
            Image.open(one).convert("RGB").save(file, kind)
            found.append(file.getvalue())
    return found


def _fields(operation: Any) -> tuple[set[str], set[str]]:
    """All fields of an operation's bodies, and those that must be sent."""
    schemas = [body.definition.get("schema", {}) for body in operation.body]
    known = {name for schema in schemas for name in schema.get("properties", ())}
    return known, {name for schema in schemas for name in schema.get("required", ())}


def tame(
    case: Any, drawn: random.Random, known: Known, fields: set[str], required: set[str]
) -> None:
    """Make half of the random requests likely ones."""
    case.headers.pop("Authorization", None)  # this machine needs no key, and a random one is wrong
    if drawn.random() < 0.5:
        return
    watch = drawn.choice(list(known.watches))
    there = {"mark_id": drawn.choice(known.marks), "name": watch}
    there["handle"] = drawn.choice(known.handles)
    for name in case.path_parameters.keys() & there:
        case.path_parameters[name] = there[name]
    for name in list(case.query or {}):
        if name not in ("key", "size"):
            del case.query[name]
    if "key" in (case.query or {}):
        case.query["key"] = known.watches[watch]
    if isinstance(case.body, dict):
        _tame_body(case.body, drawn, known, fields, required)


def _tame_body(
    body: dict[str, Any], drawn: random.Random, known: Known, fields: set[str], required: set[str]
) -> None:
    """Keep what must be sent and pictures, or name a mark or kept picture that there is."""
    pictures = {"image", "images"} & fields
    for name in body.keys() - required - pictures:
        del body[name]
    if "id" in body:
        body["id"] = drawn.choice(known.marks)
    if "name" in required:
        body["name"] = drawn.choice([*known.watches, *3 * (f"watch {drawn.randrange(10**6)}",)])
    if "query" in fields and drawn.random() < 0.3:
        for name in pictures:
            body.pop(name, None)
        body["query"] = [drawn.choice(known.handles)]
    elif "marks" in fields:
        body["marks"] = [drawn.choice(known.marks)]
    elif "mark_id" in fields and "images" not in fields and not pictures & body.keys():
        body["mark_id"] = drawn.choice(known.marks)


if __name__ == "__main__":
    main()
