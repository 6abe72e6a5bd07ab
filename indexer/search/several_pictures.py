"""Searches with several pictures of one sign: a mark scores by the picture that it is nearest to.

The k best of all are among the k best of each picture by itself, so the ranking is as exact as
those are.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from indexer.query import Hit, SearchQuery, SearchResult
from models.encoder import Embedding


def search_pictures(
    search: Callable[[SearchQuery], SearchResult],
    query: SearchQuery,
    others: Sequence[Embedding],
) -> SearchResult:
    """Search with the picture of a query and with others of the same sign.

    Args:
        search: with one picture.
        query: what to look for, by the first picture.
        others: the others' embeddings.

    Returns:
        The hits, each by its best picture, which its pair names; and the plan of the last search,
        with the time of all.
    """
    result = search(query)
    best = {hit.id: hit for hit in result.hits}
    for number, embedding in enumerate(others, start=1):
        found = search(replace(query, embedding=embedding))
        for hit in found.hits:
            if hit.id not in best or hit.place < best[hit.id].place:
                best[hit.id] = _of_picture(hit, number)
        spent = result.plan.milliseconds
        both = {name: spent[name] + value for name, value in found.plan.milliseconds.items()}
        result = SearchResult(found.hits, replace(found.plan, milliseconds=both))
    hits = sorted(best.values(), key=lambda hit: hit.place)
    return SearchResult(tuple(hits[: query.k]), result.plan)


def _of_picture(hit: Hit, number: int) -> Hit:
    pair = hit.pair and replace(hit.pair, picture=number)
    return replace(hit, pair=pair)
