"""What came near the watches, in words and as JSON, for the commands that compare."""

from collections.abc import Mapping, Set
from typing import Any

from search_api.cli.console import counted

_NAMED = 5  # watches of a sentence


def near_sentence(near: Mapping[str, Set[str]]) -> str:
    """How many different marks came near, and which watches; `near` is watch → ids of marks."""
    named = [f"{name} ({len(marks):,})" for name, marks in list(near.items())[:_NAMED]]
    more = f" and {len(near) - _NAMED:,} more watches" if len(near) > _NAMED else ""
    return f"{counted(_different(near), 'mark')} came near {', '.join(named)}{more}"


def near_as_json(near: Mapping[str, Set[str]]) -> dict[str, Any]:
    """The same as JSON."""
    watches = {name: len(marks) for name, marks in near.items()}
    return {"marks": _different(near), "watches": watches}


def _different(near: Mapping[str, Set[str]]) -> int:
    return len(set().union(*near.values()))
