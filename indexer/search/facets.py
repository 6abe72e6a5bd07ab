"""Counts by facet under a search: which words are like a text's says SQL, the rest the index."""

from dataclasses import replace

from indexer.index.facets import FACETS, without
from indexer.index.following import RegisterIndex
from indexer.pages import WORDS_ORDER, Page
from indexer.query import MAX_K, Filter
from indexer.register import Register
from indexer.register.listing import FacetCounts


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
    if wanted.text is None or compared:
        return follower.count_passing(wanted, None, compared)
    page = Page(MAX_K, order=WORDS_ORDER)
    # Of many marks with like words the likest are found: among those that pass the rest, too.
    asked = {wanted, *(without(wanted, facet) for facet in FACETS)}
    listed = [one for some in asked for one in register.find_words(some, page)[0]]
    among = register.numbers_of(sorted({one.mark.record.id for one in listed}))
    return follower.count_passing(replace(wanted, text=None), among, compared)
