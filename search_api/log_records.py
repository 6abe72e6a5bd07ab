"""Log records without secrets, each with the id of the request that it belongs to."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from models.redaction import redacted

REQUEST_ID = "X-Request-Id"  # header of HTTP
# "-" outside of a request.
request_id: ContextVar[str] = ContextVar("request_id", default="-")


class SafeRecord(logging.LogRecord):
    """A record whose text, arguments and traceback hold no secret.

    Attributes:
        request_id: of the request during which it was made.
    """

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.request_id = request_id.get()
        if isinstance(self.args, tuple):  # some formatters read them rather than the message
            self.args = tuple(_safe(one) for one in self.args)
        if self.exc_info:
            self.exc_text = redacted(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        """The text with its arguments, redacted as a whole."""
        return redacted(super().getMessage())


def _safe(value: object) -> object:
    """A value as it is logged: numbers stay numbers, for formats such as ``%d``."""
    return value if isinstance(value, (int, float, bool)) else redacted(str(value))


def keep_secrets_out() -> None:
    """Make every record that this process logs from now on a safe one."""
    logging.setLogRecordFactory(SafeRecord)


class JsonLines(logging.Formatter):
    """A record as a JSON object on one line, with the fields of `extra` named in ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            said["exception"] = record.exc_text or redacted(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False, default=str)


def json_logging(level: str) -> dict[str, Any]:
    """A configuration for `logging.config.dictConfig`: all records of a level as JSON on stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {"uvicorn.access": {"handlers": [], "propagate": False}},  # ours says more
    }
