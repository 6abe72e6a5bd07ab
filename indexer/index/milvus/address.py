"""Where a Milvus server is and what kind of index it keeps: a URL.

``milvus://[user:password@]host[:port][/collection][?index=HNSW&consistency=Bounded&tls=true]``
"""

import re
import typing
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from models.errors import MarkLensError

SCHEME = "milvus://"
IndexType = Literal["FLAT", "IVF_SQ8", "HNSW", "DISKANN", "GPU_CAGRA"]
Consistency = Literal["Strong", "Bounded", "Eventually"]
_PORT = 19530
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")  # what Milvus takes
_OPTIONS = {
    "index": typing.get_args(IndexType),
    "consistency": typing.get_args(Consistency),
    "tls": ("false", "true"),
}
_LISTS, _PROBED = 1024, 160
_MOST_LOOKED_AT = 32_768  # that Milvus takes
_WIDEST = 8.0  # times as much is looked at for a filter
_BUILDING: dict[IndexType, dict[str, Any]] = {
    "FLAT": {},
    "IVF_SQ8": {"nlist": _LISTS},
    "HNSW": {"M": 64, "efConstruction": 512},
    "DISKANN": {},
    "GPU_CAGRA": {"intermediate_graph_degree": 64, "graph_degree": 32},
}


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """A server, a collection on it and the kind of its index.

    Attributes:
        uri: of the server, without account.
        token: ``user:password``, or empty.
        collection: its name; None for one that is named after the register.
        index: FLAT compares with every vector; the others may miss one.
        consistency: how much a search may lag behind the collection's writes.
    """

    uri: str
    token: str = field(repr=False)
    collection: str | None
    index: IndexType = "FLAT"
    consistency: Consistency = "Bounded"

    @classmethod
    def parse(cls, text: str) -> "MilvusAddress":
        """Read a URL.

        Raises:
            MarkLensError: it cannot be read; the text repeats nothing of it that may be secret.
        """
        parts = urlsplit(text)
        try:
            host, port = parts.hostname, parts.port or _PORT
        except ValueError:
            host, port = None, 0
        if not text.startswith(SCHEME) or not host:
            raise MarkLensError("write milvus://host:19530, or milvus://host:19530/collection")
        name = parts.path.strip("/")
        if name and not _NAME.fullmatch(name):
            raise MarkLensError(
                f"{name!r} cannot be a collection: take letters, digits and _, no digit first"
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for option, value in options.items():
            if option not in _OPTIONS:
                raise MarkLensError(f"there is no option {option!r}; take {', '.join(_OPTIONS)}")
            if value not in _OPTIONS[option]:
                raise MarkLensError(f"{option} is {value!r}; take {', '.join(_OPTIONS[option])}")
        protocol = "https" if options.pop("tls", "false") == "true" else "http"
        host = f"[{host}]" if ":" in host else host
        account = [unquote(one) for one in (parts.username, parts.password) if one]
        chosen: dict[str, Any] = dict(options)
        return cls(f"{protocol}://{host}:{port}", ":".join(account), name or None, **chosen)

    @property
    def is_exact(self) -> bool:
        """Whether a search misses no vector."""
        return self.index == "FLAT"

    @property
    def building(self) -> dict[str, Any]:
        """Parameters of the index."""
        return _BUILDING[self.index]

    def searching(self, k: int, share: float) -> dict[str, Any]:
        """Parameters of a search for the k nearest vectors.

        Args:
            k: how many.
            share: of the vectors, which pass the filter: the fewer, the farther apart they lie and
                the more is looked at, so that as many of them are compared. Of a few all are.
        """
        wider = min(1 / share, _WIDEST) if share > 0 else _WIDEST
        match self.index:
            case "FLAT":
                return {}
            case "IVF_SQ8":
                return {"nprobe": min(_LISTS, round(_PROBED * wider))}
            case "HNSW":
                return {"ef": min(_MOST_LOOKED_AT, round(max(1024, 4 * k) * wider))}
            case "DISKANN":
                return {"search_list": min(_MOST_LOOKED_AT, round(max(128, 2 * k) * wider))}
            case "GPU_CAGRA":
                return {"itopk_size": max(128, 2 * k)}
