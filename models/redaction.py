"""Takes passwords and other secrets out of texts that are shown or logged."""

import re

HIDDEN = "***"
# From the first colon to the last @ of a word: passwords hold slashes and @ that nobody escaped.
_USERINFO = re.compile(r"(://[^\s/:@]*:)\S*@")
_NAMED = re.compile(
    r"([\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|key)=)[^&;,\s\"'<>)]+", re.I
)
_BEARER = re.compile(r"((?:bearer|basic) )[\w.~+/=-]+", re.I)
# Handles of query pictures: who has one sees the picture.
_HANDLE = re.compile(r"(/queries/|\bquery=)[0-9a-f]{32}\b")


def redacted(text: str) -> str:
    """The text without the secrets in it.

    Those are the password of a URL's user, values of fields such as ``password=`` or ``key=``
    wherever they stand, what follows ``Bearer`` or ``Basic``, and handles of query pictures.
    """
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _HANDLE.sub(rf"\1{HIDDEN}", text)
    text = _NAMED.sub(rf"\1{HIDDEN}", text)
    return _BEARER.sub(rf"\1{HIDDEN}", text)
