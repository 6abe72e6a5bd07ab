"""Composes artificial marks with exact Vienna codes from pictograms, lettering, frames and grounds.

`marklens compose` writes them as a labelled folder, and the shipped network is trained on them too.
`models.training`, `models.marknet`, the command line and the benchmarks may import this room;
serving and indexing never do.
"""
