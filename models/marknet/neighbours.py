"""Which of the training side's pictures vote for the codes of others."""

import numpy as np
from numpy.typing import NDArray

from models.marknet.table import UNKNOWN, WITH_PARTS, Rows, Table
from models.network.neighbours import Neighbours
from models.network.parts import is_thing
from models.training.trainer import Predictions, Trainer

_WHOLE = ("brand", "icon")  # kinds of which the whole picture is kept, too


def fit_neighbours(trainer: Trainer, table: Table) -> Neighbours:
    """Keep logos, pictograms, and what is cut out of logos and composed marks.

    Args:
        trainer: of the trained network.
        table: all pictures.
    """
    wholes = np.concatenate([table.labelled(kind, "train") for kind in _WHOLE])
    parts = table.parts_of("train")
    divided = [table.labelled(kind, "train") for kind in WITH_PARTS if kind != "icon"]
    owners = [row for row in np.concatenate(divided).tolist() if row in parts]
    cut = np.concatenate([np.zeros(0, np.int64), *(parts[row] for row in owners)])
    seen = trainer.predict(np.concatenate([wholes, cut]))
    targets = [table.targets[wholes]]
    at = len(wholes)
    shown = np.array([is_thing(code) for code in table.labels.codes])
    for row in owners:
        until = at + len(parts[row])
        targets.append(_targets_of_parts(table.targets[row], seen.logits[at:until], shown))
        at = until
    return Neighbours.fit(neighbour_vectors(seen), np.concatenate(targets))


def neighbour_vectors(seen: Predictions) -> NDArray[np.float32]:
    """The blocks by which neighbours are sought: (n, visual + concept)."""
    return np.concatenate([seen.visual, seen.concept], axis=1)


def _targets_of_parts(
    target: NDArray[np.float32], logits: NDArray[np.float32], shown: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Of a picture's codes, each part has the things that are most believed of it.

    Whether another part shows them as well is unknown, and so is all that is the whole picture's.
    """
    parts: Rows = np.arange(len(logits))[:, None]
    elsewhere = (target == 1.0) & (parts != logits.argmax(axis=0))
    return np.where(elsewhere | ~shown, np.float32(UNKNOWN), target)
