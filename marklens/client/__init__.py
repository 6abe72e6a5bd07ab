"""A client of a MarkLens server, for Python programs: `Client`, and `AsyncClient` for asyncio.

::

    from pathlib import Path
    from marklens.client import Client, Filter, Query

    with Client("http://localhost:8000") as server:
        answer = server.search(Query(picture=Path("logo.png"), filter=Filter(nice=(9, 42))))
        for hit in answer.hits:
            print(hit.score, hit.id)

It needs httpx and nothing else of MarkLens; docs/client.md says how to install it alone. The
modules, read downwards: `faces` (the two clients), `calls` (each request, built and its answer
read), `answers` (what is returned), `asking` (what is asked), `problems`.
"""

from marklens.client.answers import (
    Answer,
    AuditEntry,
    Batch,
    Event,
    Facets,
    FoundCode,
    Hit,
    ListedMark,
    Page,
    Seen,
    SeenCode,
    StoredMark,
    ViennaNode,
    Watch,
    Words,
)
from marklens.client.asking import (
    Filter,
    Kept,
    NewMark,
    NewWatch,
    Query,
    Registered,
    View,
    WatchChange,
)
from marklens.client.faces import AsyncClient, Client
from marklens.client.problems import (
    Busy,
    ClientError,
    Gone,
    NotAllowed,
    NotFound,
    Problem,
    Refused,
    Unreachable,
)

__all__ = [
    "Answer",
    "AsyncClient",
    "AuditEntry",
    "Batch",
    "Busy",
    "Client",
    "ClientError",
    "Event",
    "Facets",
    "Filter",
    "FoundCode",
    "Gone",
    "Hit",
    "Kept",
    "ListedMark",
    "NewMark",
    "NewWatch",
    "NotAllowed",
    "NotFound",
    "Page",
    "Problem",
    "Query",
    "Refused",
    "Registered",
    "Seen",
    "SeenCode",
    "StoredMark",
    "Unreachable",
    "ViennaNode",
    "View",
    "Watch",
    "WatchChange",
    "Words",
]
