"""Run folders, whose work is resumed: claimed by one request, files written atomically."""

import json
from collections.abc import Mapping
from pathlib import Path

from models.errors import BadLabels


def claim_folder(request: Path, wanted: Mapping[str, object]) -> None:
    """Note in a folder what was asked for, or check that the same was asked for before.

    Args:
        request: JSON file of the folder that holds the note; both are made if missing.
        wanted: what is asked for now.

    Raises:
        BadLabels: the folder holds work that was asked for otherwise, or its note is damaged.
    """
    if not request.exists():
        request.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(request, json.dumps(wanted, indent=1) + "\n")
        return
    try:
        kept = dict(json.loads(request.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise BadLabels(
            f"{request}: damaged ({error}); what was asked for cannot be told, so name another "
            "folder"
        ) from error
    other = sorted(
        key if key in kept else f"{key}, which an older version did not note"
        for key in wanted
        if kept.get(key) != wanted[key]
    )
    if other:
        raise BadLabels(
            f"{request.parent} holds what was asked for otherwise ({', '.join(other)}); go on with "
            f"what {request.name} says, or name another folder"
        )


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text, line ends as they are; a kill leaves the old file or the new, whole."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(text, "utf-8", newline="")
    unfinished.replace(path)
