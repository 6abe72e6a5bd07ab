"""Offices' XML formats, one file each: whatever module lies here and has `FORMAT` is one.

A new format is one file here, with a `FORMAT` of type `OfficeFormat`, and one test with a real
sample. Nothing else names the formats: ``--format``, recognition and the help texts follow.
"""

import importlib
import pkgutil

from indexer.sources.office_record import OfficeFormat

__all__ = ["OFFICES"]


def _formats() -> dict[str, OfficeFormat]:
    found: dict[str, OfficeFormat] = {}
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        format: OfficeFormat = importlib.import_module(f"{__name__}.{module}").FORMAT
        found[format.name] = format
    return found


OFFICES = _formats()
