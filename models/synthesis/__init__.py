"""Composed marks: pictograms, lettering, frames and grounds drawn as registers hold them.

`marklens compose` writes them as a labelled folder, and the training of the shipped network learns
from them. Training and `models.marknet` import this room; serving never does.
"""
