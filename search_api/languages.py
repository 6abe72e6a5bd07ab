"""The languages of pages and reports: their texts, numbers and days.

English texts stand where they are shown, as ``_("…")`` in templates, ``t('…')`` in scripts and
``say("…")`` in reports, and are the keys of the catalogue. ``web/catalogue/fr.po`` (gettext) says
each of them in French; ``make texts`` brings it up to date, and ``make check`` fails where a text
is missing.
"""

import gettext
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

CATALOGUE = Path(__file__).parent / "web" / "catalogue"
_ENGLISH = "en"


def message(text: str) -> str:
    """Mark a text of Python code for the catalogue; templates translate it where they show it."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """A language of pages and reports.

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

    def say(self, text: str, **values: object) -> str:
        """A text in the language, ``%(name)s`` in it filled from `values`."""
        said = self.translations.gettext(text)
        return said % values if values else said

    def plural(self, count: int, one: str, many: str) -> str:
        """A text for `count` things, which ``%(n)s`` says: singular and plural."""
        return self.translations.ngettext(one, many, count) % {"n": self.number(count)}

    def number(self, value: float, digits: int | None = None) -> str:
        """Write a number with the language's marks, and as many digits behind the point."""
        form = None if digits is None else "0." + digits * "0"
        return format_decimal(value, form, locale=self.code)

    def share(self, value: float) -> str:
        """Write a share of 1 as whole percents."""
        return format_percent(value, locale=self.code)

    def written_out(self, value: date) -> str:
        """Write a day with the name of its month."""
        return format_date(value, "d MMMM y", locale=self.code)

    def day(self, value: date) -> str:
        """Write a day in figures; in English as ISO 8601 does, which cannot be misread."""
        if self.code == _ENGLISH:
            return value.isoformat()
        return format_date(value, "short", locale=self.code)


ENGLISH = Language(_ENGLISH, "English", gettext.NullTranslations())
LANGUAGES: Mapping[str, Language] = {
    _ENGLISH: ENGLISH,
    "fr": Language.read("fr", "Français"),
}
