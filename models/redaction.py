"""Takes passwords and other secrets out of texts that are shown or logged."""

import re

HIDDEN = "***"
# From the first colon to the last @ of a word: passwords hold slashes and @ that nobody escaped.
_USERINFO = re.compile(r"(://[^\s/:@]*:)\S*@")
_NAMED = re.compile(
    r"([\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|key)=)[^&;,\s\"'<>)]+", re.I
)
_BEARER = re.compile(r"((?:bearer|basic) )[\w.~+/=-]+", re.I)


def redacted(text: str) -> str:
    """The text without the secrets in it.

    Those are the password of a URL's user, values of fields such as ``password=`` or ``key=``
    wherever they stand, and what follows ``Bearer`` or ``Basic``.
    """
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _NAMED.sub(rf"\1{HIDDEN}", text)
    return _BEARER.sub(rf"\1{HIDDEN}", text)
