"""Ranks by picture and words together: one score of both, words with the weight asked for.

With S the score by picture, B the sum of the blocks' weights, t the likeness of the words
(`indexer.words.likeness`, 0 where they are not alike) and w the weight of words, a mark's score is

    (B · S + w · t) / (B + w)

Marks that are near by picture and marks that are near by words are scored on both: by picture from
their stored embeddings, by words from their texts. Ranked are these candidates: a mark that is
neither among the nearest by picture nor among those that `Register.find_words` finds is not.
Marks without picture have no score by it and are left out.
"""

from dataclasses import replace

from indexer.pages import WORDS_ORDER, Page
from indexer.query import WORDS, Hit, SearchQuery, SearchResult
from indexer.register import Register
from indexer.search.searcher import Searcher
from indexer.words.forms import Words
from indexer.words.likeness import WordMatch, match_all

_BY_PICTURE = 200  # at least so many of the nearest by picture are candidates
_BY_WORDS = 300


def search_with_words(register: Register, searcher: Searcher, query: SearchQuery) -> SearchResult:
    """Rank by picture and by the words of the filter's `text`, which then leaves no mark out.

    Raises:
        BadQuery, DatabaseUnavailable: as `Searcher.search`.
    """
    text = query.filter.text or ""
    rest = replace(query.filter, text=None)
    pictures = replace(query, k=max(query.k, _BY_PICTURE), filter=rest)
    near = searcher.search(pictures)
    hits = {hit.id: hit for hit in near.hits}
    page = Page(_BY_WORDS, order=WORDS_ORDER)
    listed, _ = register.find_words(query.filter, page)
    others = [one.mark.record.id for one in listed if one.mark.record.id not in hits]
    if query.among is not None:
        others = sorted(set(others) & set(query.among))
    spent = dict(near.plan.milliseconds)
    if others:
        found = searcher.search(replace(pictures, k=len(others), among=tuple(others)))
        hits |= {hit.id: hit for hit in found.hits}
        spent = {name: spent[name] + found.plan.milliseconds[name] for name in spent}
    matches = match_all(Words.of(text), [Words.of(hit.mark.words) for hit in hits.values()])
    total, weight = searcher.total_weight(query.weights), (query.weights or {}).get(WORDS, 0.0)
    scored = [
        _with_words(hit, match, total, weight)
        for hit, match in zip(hits.values(), matches, strict=True)
    ]
    best = sorted(scored, key=lambda hit: (-(hit.score or 0.0), hit.id))[: query.k]
    return SearchResult(tuple(best), replace(near.plan, milliseconds=spent))


def _with_words(hit: Hit, match: WordMatch | None, total: float, weight: float) -> Hit:
    alike, picture = 0.0 if match is None else match.score, hit.score or 0.0
    return replace(
        hit,
        score=(total * picture + weight * alike) / (total + weight),
        scores={**hit.scores, WORDS: alike},
        words=match,
        picture=picture,
    )
