"""The one reader of the environment: every setting of MarkLens, its default and its limits.

A variable is ``MARKLENS_`` and the field's name in capitals: ``MARKLENS_DATA_DIR``.
"""

import logging
import os
import typing
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import MarkLensError

if TYPE_CHECKING:
    from indexer.index.milvus.address import MilvusAddress

IndexKind = Literal["auto", "exact", "ivf"]
_PREFIX = "MARKLENS_"
# What docker-compose.yml asks for beside settings; who runs it may have them in the environment.
_OF_COMPOSE = ("MEMORY", "DB_PASSWORD", "DB_MEMORY", "MILVUS_INDEX", "MILVUS_MEMORY")

logger = logging.getLogger(__name__)


class BadSettings(MarkLensError):
    """A setting from the environment or the command line that cannot be used."""


class Settings(BaseSettings):
    """What a process of MarkLens needs to know before it starts.

    Build it with `Settings.read`, which turns a wrong value into one plain sentence.
    """

    # An empty variable is unset: compose files pass ``VAR=`` for what is not given.
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        Path("marklens-data"), description="Folder of the pictures, snapshots and SQLite register."
    )
    database_url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL of the register, such as postgresql+psycopg://user:pw@host/db; "
        "register.db in the data folder where unset.",
    )
    database_timeout_s: float = Field(
        10.0,
        ge=1,
        le=600,
        description="Seconds that PostgreSQL may take for an answer to a search; then it fails.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where the network and the index run: cpu, cuda, or auto, which takes a GPU "
        "where one is usable.",
    )
    index: str = Field(
        "auto",
        description="How pictures are compared: exact misses no mark that the filter allows; ivf "
        "looks at some lists of marks and may miss one; auto is exact up to "
        "MARKLENS_INDEX_EXACT_MARKS. On a GPU every search is exact. Or a Milvus server that keeps "
        "the vectors, such as milvus://host:19530: see docs/scale.md.",
        repr=False,
    )
    index_exact_marks: int = Field(
        1_000_000, ge=1, description="Marks up to which MARKLENS_INDEX=auto is exact."
    )
    runtime: Literal["auto", "torch", "openvino"] = Field(
        "auto",
        description="What runs the network: openvino (CPU), torch, or auto, which takes OpenVINO "
        "on a CPU where the network has such a model.",
    )
    checkpoint: Path | None = Field(
        None, description="Folder of another network than the one that is shipped."
    )
    host: str = Field("127.0.0.1", description="Address the server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the server listens on.")
    max_upload_bytes: int = Field(
        20 * 1024 * 1024, ge=1024, description="Largest request body that is read, in bytes."
    )
    max_connections: int = Field(
        1000,
        ge=8,
        le=60_000,
        description="Connections at once; one more takes the place of the one that has waited "
        "longest without being answered.",
    )
    request_timeout_s: float = Field(
        20.0,
        gt=0,
        le=600,
        description="Seconds within which a request's head must have come, and its body where it "
        "comes slower than 8 KiB a second.",
    )
    graceful_timeout_s: int = Field(
        8, ge=1, le=600, description="Seconds that a server which is to end gives open requests."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How the server logs: lines for people, or a JSON object a line."
    )
    traces_url: str | None = Field(
        None,
        description="Where OpenTelemetry traces of requests go, such as "
        "http://localhost:4318/v1/traces; needs the extra traces.",
    )
    poll_s: float = Field(
        1.0,
        gt=0,
        le=3600,
        description="Seconds between two looks for what other processes wrote to the register.",
    )
    api_token: SecretStr | None = Field(
        None,
        description="A key of scope admin that is not in the register; `marklens keys create` "
        "makes better ones, which are hashed, named and can be revoked.",
    )
    public_reading: bool = Field(
        False,
        description="Whether everybody who reaches the server may search and look at marks. Else "
        "only this machine may without a key, where there are none, and not through a proxy.",
    )
    allowed_hosts: str = Field(
        "",
        description="Names by which browsers reach the server, with commas, such as "
        "marks.example.org; IP addresses, localhost and this machine's own name always work, * "
        "allows all.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses of proxies, with commas, whose X-Forwarded-For is believed.",
    )
    rate_per_minute: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Requests a minute of one key, or of one address without a key; 0 for any "
        "number. A client that was quiet for a minute may send all of them at once, then one at a "
        "time as they come back: at 60, one a second. Pictures of marks and what this machine asks "
        "without a key are not counted.",
    )
    webhook_private: bool = Field(
        False,
        description="Whether webhooks of watches may go to private, loopback and link-local "
        "addresses.",
    )
    encode_workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Calls of the network at the same time. Each encodes up to four waiting "
        "pictures and, on a CPU, uses all processors: leave it at 1 there.",
    )
    encode_queue: int = Field(
        16, ge=0, le=1024, description="Pictures that may wait for encoding; the next gets 503."
    )
    queue_s: float = Field(
        2.5,
        gt=0,
        le=60,
        description="Seconds within which a request should be answered. One that would wait longer "
        "for its turn than leaves time for that gets 503 with Retry-After.",
    )

    query_days: float = Field(
        7.0,
        ge=0,
        le=366,
        description="Days for which the server keeps the pictures that are searched with, so that "
        "links to searches open again, and results of batches; 0 keeps none.",
    )
    query_mb: int = Field(
        500,
        ge=0,
        description="Megabytes that these kept query pictures may take, and batches as many again; "
        "the oldest make room. 0 keeps none.",
    )

    thumbnails_mb: int = Field(
        1000,
        ge=1,
        description="Megabytes that small copies of the register's pictures may take; those that "
        "were read first make room.",
    )

    @field_validator("index")
    @classmethod
    def _known_index(cls, value: str) -> str:
        if value not in typing.get_args(IndexKind):
            if not value.startswith("milvus:"):
                raise ValueError("take auto, exact, ivf or milvus://host:19530")
            _milvus(value)
        return value

    @classmethod
    def read(cls, **overrides: Any) -> "Settings":
        """Read the environment; `overrides` (from a command line) win, None meaning "not given".

        A variable that is no setting is warned of: most probably one is misspelt.

        Raises:
            BadSettings: a value cannot be used; the text names the variable and the reason.
        """
        known = [name.upper() for name in cls.model_fields]
        for variable in sorted(map(str.upper, os.environ)):
            name = variable.removeprefix(_PREFIX)
            if name not in (variable, *known, *_OF_COMPOSE):
                near = get_close_matches(name, known, 1)
                meant = f"; did you mean {_PREFIX}{near[0]}?" if near else ""
                logger.warning("%s is no setting and changes nothing%s", variable, meant)
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            reasons = "; ".join(
                f"MARKLENS_{str(fault['loc'][0]).upper() if fault['loc'] else '?'}: "
                + str(fault["msg"]).removeprefix("Value error, ")
                for fault in error.errors()
            )
            # Not from `error`, whose text holds the values that were given, secrets among them.
            raise BadSettings(f"A setting cannot be used: {reasons}.") from None

    @property
    def register_url(self) -> str:
        """The register's SQLAlchemy URL, with the default filled in."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        from indexer.register.database import sqlite_url

        return sqlite_url(self.data_dir / "register.db")

    @property
    def index_kind(self) -> IndexKind:
        """How vectors in memory are compared."""
        return cast(IndexKind, self.index)

    @property
    def milvus(self) -> "MilvusAddress | None":
        """The Milvus server that keeps the vectors; None where this process does."""
        return _milvus(self.index) if self.index.startswith("milvus:") else None

    @property
    def images_dir(self) -> Path:
        """Folder of the original pictures, by digest."""
        return self.data_dir / "images"

    @property
    def snapshot_dir(self) -> Path:
        """Folder of the index snapshots: a cache that may be deleted at any time."""
        return self.data_dir / "snapshots"

    @property
    def queries_dir(self) -> Path:
        """Folder of the query pictures that the server keeps."""
        return self.data_dir / "queries"

    @property
    def batches_dir(self) -> Path:
        """Folder of the batches that the server searches with, and of their results."""
        return self.data_dir / "batches"

    @property
    def host_names(self) -> frozenset[str]:
        """The names that requests may be sent to, in lower case."""
        given = (name.strip().lower() for name in self.allowed_hosts.split(","))
        return frozenset((*given, self.host.lower(), gethostname().lower(), "localhost")) - {""}

    @property
    def is_loopback(self) -> bool:
        """Whether the server listens only to this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def _milvus(text: str) -> "MilvusAddress":
    from indexer.index.milvus.address import MilvusAddress

    try:
        return MilvusAddress.parse(text)
    except MarkLensError as error:
        raise ValueError(str(error)) from None  # whose text may hold a password
