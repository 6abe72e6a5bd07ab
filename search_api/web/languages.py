"""The languages of the pages: which one a request asks for, its texts, numbers and days.

English texts stand where they are shown, as ``_("…")`` in templates and ``t('…')`` in scripts, and
are the keys of the catalogue. ``catalogue/fr.po`` (gettext) says each of them in French;
``make texts`` brings it up to date, and ``make check`` fails where a text is missing.
"""

import gettext
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from babel import negotiate_locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from fastapi import Request
from fastapi.responses import Response

CATALOGUE = Path(__file__).with_name("catalogue")
_ENGLISH = "en"
_PARAMETER = "lang"  # of an address, and the cookie's name
_KEPT_S = 365 * 24 * 3600


def message(text: str) -> str:
    """Mark a text of Python code for the catalogue; templates translate it where they show it."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the pages.

    Attributes:
        code: as HTML writes it.
        name: what it calls itself.
        translations: its texts, for templates.
        texts: the same for scripts: English → its text, or singular and plural.
    """

    code: str
    name: str
    translations: gettext.NullTranslations
    texts: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, code: str, name: str) -> "Language":
        """Read the language's catalogue."""
        with (CATALOGUE / f"{code}.po").open("rb") as file:
            catalogue = read_po(file, locale=code)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        texts: dict[str, str | Sequence[str]] = {}
        for one in catalogue:
            if one.id and one.string:
                texts[one.id if isinstance(one.id, str) else one.id[0]] = one.string
        return cls(code, name, gettext.GNUTranslations(compiled), texts)

    def number(self, value: float, digits: int | None = None) -> str:
        """Write a number with the language's marks, and as many digits behind the point."""
        form = None if digits is None else "0." + digits * "0"
        return format_decimal(value, form, locale=self.code)

    def day(self, value: date) -> str:
        """Write a day in figures; in English as ISO 8601 does, which cannot be misread."""
        if self.code == _ENGLISH:
            return value.isoformat()
        return format_date(value, "short", locale=self.code)


LANGUAGES: Mapping[str, Language] = {
    _ENGLISH: Language(_ENGLISH, "English", gettext.NullTranslations()),
    "fr": Language.read("fr", "Français"),
}


def language_of(request: Request) -> Language:
    """The language that the address asks for, else the cookie, else the browser; else English."""
    for given in (request.query_params, request.cookies):
        chosen = given.get(_PARAMETER, "")
        if chosen in LANGUAGES:
            return LANGUAGES[chosen]
    wanted = _by_preference(request.headers.get("accept-language", ""))
    return LANGUAGES[negotiate_locale(wanted, list(LANGUAGES), sep="-") or _ENGLISH]


def say_language(request: Request, response: Response, language: Language) -> None:
    """Say in an answer's headers what its language depends on, and keep one that was chosen."""
    response.headers["Content-Language"] = language.code
    response.headers["Vary"] = "Accept-Language, Cookie"
    if request.query_params.get(_PARAMETER) == language.code:
        response.set_cookie(_PARAMETER, language.code, max_age=_KEPT_S, samesite="lax")


def without_language(query: str) -> str:
    """The query of an address without the choice of a language."""
    return "&".join(part for part in query.split("&") if not part.startswith(f"{_PARAMETER}="))


def _by_preference(accept_language: str) -> list[str]:
    """The languages of the header ``Accept-Language``, the most wanted first."""
    wanted = []
    for one in accept_language.split(","):
        name, _, quality = one.replace(" ", "").partition(";q=")
        try:
            wanted.append((float(quality or 1), name))
        except ValueError:
            continue
    return [name for _, name in sorted(wanted, key=lambda one: -one[0])]
