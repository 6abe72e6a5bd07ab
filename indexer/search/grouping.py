"""Groups of hits that show one sign: near-identical marks, and variants that one owner has.

A hit joins the hit above it that leads a group and is most like it, where the score of their whole
signs with the default weights is at least `NEAR_IDENTICAL`, or at least `ONE_OWNERS` and both have
the same owner; else it leads a group of its own. Members are like the leader, not merely like one
another, so that no chain of small steps joins two signs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.index.following import View
from indexer.query import Hit
from indexer.words.forms import fold
from models.encoder import Block

# By the shipped calibration, variants of a sign score so 93,000 times as often as other marks, and
# 23 times: enough where both have one owner.
NEAR_IDENTICAL, ONE_OWNERS = 0.95, 0.7


def grouped(hits: Sequence[Hit], view: View, blocks: Sequence[Block]) -> tuple[Hit, ...]:
    """The hits, each with the first hit of its group.

    Args:
        hits: the nearest first.
        view: where their vectors are; a hit that is not in it leads its own group.
        blocks: the network's.
    """
    vectors, is_known = _whole_signs([hit.mark.sequence for hit in hits], view, blocks)
    scores = vectors @ vectors.T
    owners = [fold(hit.mark.record.owner or "") for hit in hits]
    number = {owner: at for at, owner in enumerate(dict.fromkeys(owners)) if owner}
    of_owner = np.array([number.get(owner, -1 - at) for at, owner in enumerate(owners)])
    leaders: list[int] = []
    found = []
    for at, hit in enumerate(hits):
        near = scores[at, leaders]
        least = np.where(of_owner[leaders] == of_owner[at], ONE_OWNERS, NEAR_IDENTICAL)
        near[near < least] = -np.inf
        leader = at
        if is_known[at] and near.max(initial=-np.inf) > -np.inf:
            leader = leaders[int(near.argmax())]
        else:
            leaders.append(at)
        found.append(replace(hit, group=hits[leader].id))
    return tuple(found)


def _whole_signs(
    sequences: Sequence[int], view: View, blocks: Sequence[Block]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors (n, d) whose inner products are scores, and which of the marks (n,) have one."""
    vectors = np.zeros((len(sequences), blocks[-1].stop), np.float32)
    is_known = np.zeros(len(sequences), np.bool_)
    for places, found in view.whole_vectors(np.array(sequences, np.int64)):
        vectors[places] = found
        is_known[places] = True
    total = sum(block.weight for block in blocks)
    for block in blocks:
        vectors[:, block.start : block.stop] *= np.sqrt(block.weight / total)
    return vectors, is_known
