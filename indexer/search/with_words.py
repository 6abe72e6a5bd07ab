"""Ranks by picture and words together: one score of both, words with their own weight.

With S the score by picture, B the sum of the blocks' weights, t the likeness of the words
(`indexer.words.likeness`, 0 where they are not alike) and w the weight of words, a mark's score is

    (B · S + w · t) / (B + w)

Words are compared of the nearest by picture, of which there are always as many, and of the marks
that `Register.find_words` finds. The latter are scored by picture as they are in the whole ranking,
where only the first are ranked again. All others are ranked by their pictures alone. So score and
order of a mark are the same however many are asked for. Where no block has a weight, S is the score
by default, and equals go by it. Marks without picture are left out.
"""

from dataclasses import replace

from indexer.pages import WORDS_ORDER, Page
from indexer.query import OTHER_WEIGHTS, WORDS, Hit, SearchQuery, SearchResult
from indexer.register import Register
from indexer.search.searcher import Searcher
from indexer.words.forms import Words
from indexer.words.likeness import WordMatch, match_all

_BY_PICTURE = 200  # at least so many of the nearest by picture have their words compared
_BY_WORDS = 300


def search_with_words(register: Register, searcher: Searcher, query: SearchQuery) -> SearchResult:
    """Rank by picture and by the words of the filter's `text`, which then leaves no mark out.

    Raises:
        BadQuery, DatabaseUnavailable: as `Searcher.search`.
    """
    text = query.filter.text or ""
    weights = searcher.weights(query.weights)
    total = sum(value for name, value in weights.items() if name not in OTHER_WEIGHTS)
    nearest = max(_BY_PICTURE, query.rerank)  # what is not among them is not ranked again
    pictures = replace(
        query,
        k=max(query.k, nearest),
        filter=replace(query.filter, text=None),
        weights=weights if total else {name: weights[name] for name in OTHER_WEIGHTS},
    )
    near = searcher.search(pictures)
    hits = {hit.id: hit for hit in near.hits}
    page = Page(_BY_WORDS, order=WORDS_ORDER)
    listed, _ = register.find_words(query.filter, page)
    found_by_words = {one.mark.record.id for one in listed}
    counted = found_by_words | {hit.id for hit in near.hits[:nearest]}
    others = sorted(found_by_words - hits.keys())
    if query.among is not None:
        others = sorted(set(others) & set(query.among))
    spent = dict(near.plan.milliseconds)
    if others:
        found = searcher.search(replace(pictures, k=len(others), among=tuple(others), rerank=0))
        hits |= {hit.id: hit for hit in found.hits}
        spent = {name: spent[name] + found.plan.milliseconds[name] for name in spent}
    compared = [hit for hit in hits.values() if hit.id in counted]
    alike = match_all(Words.of(text), [Words.of(hit.mark.words) for hit in compared])
    matches = dict(zip((hit.id for hit in compared), alike, strict=True))
    scored = [_with_words(hit, matches.get(hit.id), total, weights[WORDS]) for hit in hits.values()]
    best = sorted(scored, key=lambda hit: hit.place)[: query.k]
    return SearchResult(tuple(best), replace(near.plan, milliseconds=spent))


def _with_words(hit: Hit, match: WordMatch | None, total: float, weight: float) -> Hit:
    alike, picture = 0.0 if match is None else match.score, hit.score or 0.0
    return replace(
        hit,
        score=(total * picture + weight * alike) / (total + weight),
        scores={**hit.scores, WORDS: alike},
        words=match,
        probability=None,
        picture=picture,
    )
