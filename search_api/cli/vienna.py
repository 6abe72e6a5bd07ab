"""`marklens vienna`: codes of the Vienna Classification by subject."""

import json
from typing import Annotated

import typer

from search_api.cli.console import print_plain, print_table

Words = Annotated[
    list[str],
    typer.Argument(
        help="What the codes stand for, such as tiara, or a code: it and all below it.",
        metavar="WORDS",
    ),
]
Most = Annotated[int, typer.Option("-k", min=1, max=1000, help="At most so many codes.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the codes as JSON.")]


def vienna(words: Words, k: Most = 20, as_json: AsJson = False) -> None:
    """Find Vienna codes by everyday words.

    Things that are called just so come first, then titles with all of the words, then those with
    words that begin so, then those with most of the words, or with words one letter away. Words are
    English or French. No register is needed.
    """
    from models.subjects import find_subjects
    from models.vienna import ViennaTree

    tree = ViennaTree.load()
    found = [
        {"code": str(one.code), "title": tree.title(one.code), "by": one.by}
        for one in find_subjects(" ".join(words))[:k]
    ]
    if as_json:
        print_plain(json.dumps({"codes": found}))
    elif found:
        rows = [(one["code"], one["title"], one["by"] or "") for one in found]
        print_table("Vienna codes", ("code", "title", "found by"), rows)
    else:
        print_plain("No Vienna code is called so.")


COMMANDS = (vienna,)
