"""Which marks have words that are spelt or sound like a filter's `text`."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from indexer.pages import WORDS_ORDER, Page
from indexer.query import MAX_K, Filter
from indexer.register import Register


def numbers_alike(register: Register, wanted: Iterable[Filter]) -> NDArray[np.int64]:
    """Numbers of the marks that lists by the words of some filters hold: the likest that pass each.

    Raises:
        DatabaseUnavailable: the register cannot be read.
    """
    page = Page(MAX_K, order=WORDS_ORDER)
    listed = [one for some in wanted for one in register.find_words(some, page)[0]]
    return register.numbers_of(sorted({one.mark.record.id for one in listed}))
