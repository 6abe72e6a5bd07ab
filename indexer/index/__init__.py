"""The register in memory: vectors, filters and counts, which follow the SQL database.

Segments are immutable and searched without locks; a thread replays changes, merges segments and
saves snapshots. `indexer.search` imports this room; it imports `indexer.register`.
"""
