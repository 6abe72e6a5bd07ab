"""Search: which plan answers a query, the exact ranking, and the marks of its hits.

`search_api` imports this room; it imports `indexer.index` and `indexer.register`.
"""
