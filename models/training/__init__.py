"""Fine-tunes a network on labelled pictures: what `marklens train` does with a user's own labels.

`training_run` is the whole run, `trainer` its loop, `batches` what a step learns from,
`feature_sources` and `lower_maps` how much of the network is computed each time. The command line,
`models.marknet` and the benchmarks may import this room; serving and indexing never do.
"""
