"""Counts by facet under a search: which words are like a text's says SQL, the rest the index."""

from dataclasses import replace

from indexer.index.facets import FACETS, without
from indexer.index.following import RegisterIndex
from indexer.query import Filter
from indexer.register import Register
from indexer.register.listing import FacetCounts
from indexer.search.like_words import numbers_alike


def facet_counts(
    register: Register, follower: RegisterIndex, wanted: Filter, compared: bool
) -> FacetCounts:
    """Count the marks that pass a filter, by each code, class, status and office.

    Args:
        register: where words are looked for.
        follower: gives the view to count in.
        wanted: the filter. See `count_passing` for what a facet leaves out.
        compared: whether the marks are compared with a picture, so that those without one do not
            count.

    Raises:
        DatabaseUnavailable: the register cannot be read.
    """
    if wanted.text is None:
        return follower.count_passing(wanted, None, compared)
    # Of many marks with like words the likest are found: among those that pass the rest, too.
    among = numbers_alike(register, {wanted, *(without(wanted, facet) for facet in FACETS)})
    return follower.count_passing(replace(wanted, text=None), among, compared)
