"""Which language of the pages a request asks for."""

from babel import negotiate_locale
from fastapi import Request
from fastapi.responses import Response

from search_api.languages import ENGLISH, LANGUAGES, Language

_PARAMETER = "lang"  # of an address, and the cookie's name
_KEPT_S = 365 * 24 * 3600


def language_of(request: Request) -> Language:
    """The language that the address asks for, else the cookie, else the browser; else English."""
    for given in (request.query_params, request.cookies):
        chosen = given.get(_PARAMETER, "")
        if chosen in LANGUAGES:
            return LANGUAGES[chosen]
    wanted = _by_preference(request.headers.get("accept-language", ""))
    return LANGUAGES[negotiate_locale(wanted, list(LANGUAGES), sep="-") or ENGLISH.code]


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
