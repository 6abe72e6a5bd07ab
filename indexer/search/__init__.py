"""Search: which plan answers a query, the exact ranking, and the marks of its hits.

`searcher` answers a query from a view of `indexer.index`, `ranking` has the candidates and
their order, `scoring` the exact scores, `plan` chooses how to scan. `search_api` imports this room;
it imports `indexer.index` and `indexer.register`.
"""
