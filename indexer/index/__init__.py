"""The register in memory: vectors, filters and counts, which follow the SQL database.

`filters` turns a filter into a set of rows (`row_sets`), `vectors` compares them; both belong to
immutable segments, searched without locks, that `follower` adds to, `merging` merges and
`view_store` saves. `indexer.search` and `search_api` import this room; it imports
`indexer.register`.
"""
