"""Chooses how to search from the number of marks that pass the filter.

Few marks are copied out and compared, which costs less than a scan that has to look at one bit for
each row of the register. Both are exact; only lists may miss a mark, and never one of few.
"""

from indexer.query import PlanKind

FEW_MARKS = 3_000
FEW_SHARE = 0.01


def choose(matched: int, total: int, is_exact: bool = True) -> PlanKind:
    """Choose how to search `matched` of `total` marks.

    Args:
        matched: marks that may be found.
        total: marks there are.
        is_exact: whether a scan misses none of them, as one of some lists may.

    Returns:
        ``none``: nothing matches, nothing is scanned. ``gather``: the few matching vectors are
        copied out and compared. ``exact``: all are scanned, skipping what does not match or cannot
        be among the best. ``ivf``: the same in the lists that most probably hold them.
    """
    if not 0 <= matched <= total:
        raise ValueError(f"{matched} of {total} marks cannot match")
    if matched == 0:
        return "none"
    if matched < total and matched <= max(FEW_MARKS, FEW_SHARE * total):
        return "gather"
    return "exact" if is_exact else "ivf"
