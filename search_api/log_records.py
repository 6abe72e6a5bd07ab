"""Log records without secrets, each with the id of the request that it belongs to."""

import logging
from contextvars import ContextVar
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
