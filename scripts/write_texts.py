"""Bring the catalogues of the pages' texts up to date with what templates and scripts say.

A new text is added without translation, for a person to write; one that is no longer said is
removed. With ``--check`` nothing is written, and the exit code is 1 where a catalogue lacks or
holds too much, where a translation is empty or has other ``%(names)s``, and where a template or a
script says something to people that is not in the catalogue.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from indexer.marks import MARK_FIELDS  # noqa: E402
from search_api.errors import PROBLEMS  # noqa: E402
from search_api.languages import CATALOGUE  # noqa: E402

WEB = ROOT / "search_api" / "web"
REPORT = ROOT / "search_api" / "report"
SCRIPTS = WEB / "static" / "js"
ENGLISH_ONLY = {"docs.html", "docs.js"}  # Swagger UI, for those who write programs
# Words of registers that the pages know; others are shown as an office writes them.
STATUSES = (
    "registered",
    "filed",
    "published",
    "opposed",
    "expired",
    "abandoned",
    "cancelled",
    "withdrawn",
    "refused",
)
# Fields of a search, or of its filter, by which a report calls what was asked.
REPORTED = ("Crop", "Page", "Turn", "Ignore words", "Order", "Rerank")
REPORTED_FILTERS = ("Vienna source", "Min probability")
# Said alike in every language.
NAMES = {"MarkLens", "JSON", "PDF", "XLSX", "CSV", "Esc", "x", "y"}

# Without the dates that gettext's own tools write, on which every two changes would conflict.
_HEADER = """msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""

Text = str | tuple[str, str]

_JINJA = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
_SHOWN_ATTRIBUTES = {"title", "aria-label", "aria-description", "placeholder", "alt", "label"}
_CALLS = {"t": None, "plural": (2, 3)}
_SAYING = {"message": None, "say": None, "plural": (2, 3)}  # of Python
_INSIDE = {"parse_template_string": True}  # texts within `${…}`, too
_QUOTED = r"'(?:[^'\\\n]|\\.)*'"
_DOUBLE = r'"(?:[^"\\]|\\.)*"'
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_JINJA_CALL = re.compile(rf"\b_\({_DOUBLE}|\bngettext\({_DOUBLE}, {_DOUBLE}|== {_DOUBLE}")
_STRING = re.compile(rf"//[^\n]*|/\*.*?\*/|{_QUOTED}|`(?:[^`\\]|\\.)*`", re.DOTALL)
_CALL = re.compile(rf"\bt\(\s*{_QUOTED}|\bplural\((?:[^()']|\([^()]*\))*{_QUOTED},\s*{_QUOTED}")
# Two words in a row or a capital: words for people; unless they stand in code that no one is shown.
_FOR_PEOPLE = re.compile(r"[a-z]{2,},? [a-z]{2,}|^\s*[A-Z][a-z]+\b(?!-)")
_CODE = re.compile(r"[<>=/;#\[\]]|\.\w|\bis-|MarkLens$")
_NOT_SHOWN = re.compile(r"(?:[!=]==|\bclass:|\b(?:includes|closest|matches|warn)\()\s*$")
_NAMED = re.compile(r"%\((\w+)\)s")


def texts_said() -> set[Text]:
    """Every text that templates, scripts and the tables behind them say to people."""
    said: set[Text] = {one.title for one in MARK_FIELDS} | set(STATUSES)
    said |= {*REPORTED, *REPORTED_FILTERS}
    said |= {problem.title for problem in PROBLEMS.values()}
    for template in (WEB / "templates").glob("*.html"):
        source = template.read_text("utf-8")
        for _, call, given in _JINJA.extract_translations(source):  # type: ignore[attr-defined]
            texts = [given] if isinstance(given, str) else [one for one in given if one]
            said |= {(texts[0], texts[1])} if call == "ngettext" else set(texts)
    for script in SCRIPTS.glob("*.js"):
        with script.open("rb") as file:
            said |= {text for _, text, _, _ in extract("javascript", file, _CALLS, options=_INSIDE)}  # type: ignore[misc]
    for module in [*WEB.glob("*.py"), *REPORT.glob("*.py")]:
        with module.open("rb") as file:
            said |= {text for _, text, _, _ in extract("python", file, _SAYING)}  # type: ignore[misc]
    return said


class _Markup(HTMLParser):
    """Collects the words of a page that stand in its template as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.bare: list[str] = []

    def handle_data(self, data: str) -> None:
        self.bare.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bare += [value or "" for name, value in attrs if name in _SHOWN_ATTRIBUTES]


def bare_texts_of_template(source: str) -> Iterator[str]:
    """Words of a template outside ``_("…")``: in its markup, or in its expressions."""
    for expression in _EXPRESSION.findall(source):
        if re.search(r'\b_\((?!")', expression):
            yield f"{expression}: a word that is no literal takes the filter `translated`"
        for text in re.findall(_DOUBLE, _JINJA_CALL.sub("", expression)):
            if _FOR_PEOPLE.search(text[1:-1]) and not text.startswith('"<'):
                yield text
    parser = _Markup()
    parser.feed(_EXPRESSION.sub(" ", source))
    for text in parser.bare:
        words = set(re.findall(r"[^\W\d_]+", re.sub(r"\bis-\w+", "", text)))
        if words - NAMES:
            yield text.strip()


def bare_texts_of_script(source: str) -> Iterator[str]:
    """Strings of a script that look like words for people and are not handed to `t` or `plural`."""
    rest = _STRING.sub(lambda found: "" if found[0].startswith("/") else found[0], source)
    for found in _STRING.finditer(_CALL.sub("", rest)):
        before = found.string[: found.start()]
        for piece in re.split(r"\$\{(?:[^{}]|\{[^{}]*\})*\}", found[0][1:-1]):
            if (
                _FOR_PEOPLE.search(piece)
                and not _NOT_SHOWN.search(before)
                and not _CODE.search(piece)
            ):
                yield piece


def _is_sound(said: Text, translated: str | tuple[str, ...] | list[str]) -> bool:
    """Whether a translation is there, and fills in the same names."""
    if isinstance(said, str):
        return (
            isinstance(translated, str) and bool(translated) and _names(said) == _names(translated)
        )
    return all(translated) and all(_names(said[-1]) >= _names(one) for one in translated)


def _names(text: str) -> set[str]:
    return set(_NAMED.findall(text))


def bare_texts() -> list[str]:
    """What templates and scripts say to people past the catalogue."""
    found = []
    for template in sorted((WEB / "templates").glob("*.html")):
        if template.name not in ENGLISH_ONLY:
            found += [
                f"{template.name}: {one}"
                for one in bare_texts_of_template(template.read_text("utf-8"))
            ]
    for script in sorted(SCRIPTS.glob("*.js")):
        if script.name not in ENGLISH_ONLY:
            found += [
                f"{script.name}: {one}" for one in bare_texts_of_script(script.read_text("utf-8"))
            ]
    return found


def faults() -> list[str]:
    """What is wrong with templates, scripts and catalogues; nothing where all is well."""
    said = texts_said()
    found = [f"{one} is said past the catalogue" for one in bare_texts()]
    for path in sorted(CATALOGUE.glob("*.po")):
        found += [f"{path.name} {fault}" for fault in faults_of(read(path), said)]
    return found


def faults_of(catalogue: Catalog, said: set[Text]) -> list[str]:
    """What is wrong with a catalogue."""
    held = {
        tuple(one.id) if one.pluralizable else one.id: one.string for one in catalogue if one.id
    }
    return [
        *(f"lacks {one!r}" for one in sorted(said - held.keys(), key=str)),
        *(f"holds {one!r}, which nothing says" for one in sorted(held.keys() - said, key=str)),
        *(
            f"{one!r} is not translated, or with other %(names)s"
            for one in sorted(said & held.keys(), key=str)
            if not _is_sound(one, held[one])
        ),
    ]


def main() -> int:
    """Write the catalogues, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        said = texts_said()
        for path in sorted(CATALOGUE.glob("*.po")):
            write(path, read(path), said)
    found = faults()
    if found:
        found.append("Run make texts, then write what lacks into search_api/web/catalogue.")
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    return bool(found)


def read(path: Path) -> Catalog:
    """Read the catalogue of one language."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def write(path: Path, catalogue: Catalog, said: set[Text]) -> None:
    """Add what lacks, without translation, remove what nothing says, and keep the rest."""
    for one in [one.id for one in catalogue if one.id]:
        if (tuple(one) if isinstance(one, (tuple, list)) else one) not in said:
            catalogue.delete(one)
    for text in said:
        if catalogue.get(text) is None:
            catalogue.add(text)
    with path.open("wb") as file:
        file.write(_HEADER.format(language=path.stem, plurals=catalogue.plural_forms).encode())
        write_po(file, catalogue, width=0, sort_output=True, omit_header=True)


if __name__ == "__main__":
    sys.exit(main())
