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
_ANY_SCORE = -2.0  # less than any inner product
_NEARLY_ALL = 0.95  # of the marks: with so many passing, HNSW's links lead to all of them
_SLICE, _MOST_SLICES = 32_768, 8  # marks that are compared one by one, where links lose some
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

    def slices(self, passing: int, total: int) -> int:
        """Into how many searches, each of other marks, one that is filtered is divided.

        HNSW's links lead to what passes through what does not, of which the server follows only
        some: what lies behind the others is lost. So all vectors of a slice are compared.

        Args:
            passing: how many marks pass the filter.
            total: of how many.

        Returns:
            how many; 0 where links are followed: nearly all marks pass, or too many for slices.
        """
        needed = -(-passing // _SLICE)
        loses_some = self.index == "HNSW" and passing < _NEARLY_ALL * total
        return needed if loses_some and needed <= _MOST_SLICES else 0

    def searching(self, k: int, passing: int, total: int) -> dict[str, Any]:
        """Parameters of a search for the k nearest vectors, or of each of its slices.

        Args:
            k: how many.
            passing: how many marks pass the filter.
            total: of how many: the smaller their share, the farther apart they lie and the more is
                looked at, so that as many of them are compared. Of a few all are.
        """
        # More pass than there were when the view was made, where another process writes.
        wider = min(max(1.0, total / passing), _WIDEST) if passing else _WIDEST
        match self.index:
            case "FLAT":
                return {}
            case "IVF_SQ8":
                return {"nprobe": min(_LISTS, round(_PROBED * wider))}
            case "HNSW" if self.slices(passing, total):
                # Asked for all within a radius, the server compares with each vector that passes,
                # if no more than twice `ef` do: marks have two parts at most, on average.
                return {"ef": _MOST_LOOKED_AT, "radius": _ANY_SCORE}
            case "HNSW":
                return {"ef": min(_MOST_LOOKED_AT, round(max(1024, 4 * k) * wider))}
            case "DISKANN":
                return {"search_list": min(_MOST_LOOKED_AT, round(max(128, 2 * k) * wider))}
            case "GPU_CAGRA":
                return {"itopk_size": max(128, 2 * k)}
