"""Measures a network as `marklens evaluate` does: predicted codes against labels, and retrieval.

The protocols decide queries, gallery and what is relevant; the metrics are arrays in, numbers out,
named as scikit-learn names them; the reports set them beside a baseline that has learnt nothing.
The command line, `models.synthesis`, `models.training` and `models.marknet` may import this room;
serving and indexing never do.
"""
