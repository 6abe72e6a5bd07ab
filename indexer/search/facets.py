"""Counts by facet under a search: what its texts leave comes from SQL, the rest from the index."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.index.facets import FacetCounts
from indexer.index.following import RegisterIndex
from indexer.pages import WORDS_ORDER, Page
from indexer.query import MAX_K, Filter
from indexer.register import Register


def facet_counts(
    register: Register, follower: RegisterIndex, wanted: Filter, compared: bool
) -> FacetCounts:
    """Count the marks that pass a filter, by each code, class, status and office.

    Args:
        register: where texts are looked for.
        follower: gives the view to count in.
        wanted: the filter. See `count_passing` for what a facet leaves out.
        compared: whether the marks are compared with a picture, so that those without one do not
            count, and words are a part of the mark's; else marks with like words count.

    Raises:
        DatabaseUnavailable: the register cannot be read.
    """
    among: NDArray[np.int64] | None = None
    for of, text in wanted.texts:
        if of == "text" and not compared:
            listed, _ = register.find_words(Filter(text=text), Page(MAX_K, order=WORDS_ORDER))
            found = register.numbers_of([one.mark.record.id for one in listed])
        else:
            found = register.numbers_with_text(text, of)
        among = found if among is None else np.intersect1d(among, found)
    without_texts = replace(wanted, text=None, number=None, owner=None)
    return follower.count_passing(without_texts, among, compared)
