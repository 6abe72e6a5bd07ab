"""What can be damaged in a register and beside it, and which command mends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

INDEX = "marklens index SOURCE"
ENCODE = "marklens rebuild --encode"
TABLES = "marklens rebuild --tables"
SNAPSHOT = "marklens rebuild"


class Fault(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: key of `KINDS`.
        subject: what it is about: a mark, a file, a table, a watch.
        details: what is wrong with it.
    """

    kind: str
    subject: str
    details: str


@dataclass(frozen=True, slots=True)
class DamageKind:
    """A way in which a register can be damaged.

    Attributes:
        says: what is damaged, in one sentence.
        repair: the command that mends it, or what to do.
        is_damage: else it is only worth knowing, and nothing is lost.
    """

    says: str
    repair: str
    is_damage: bool = True


_ANEW = "marklens watch remove NAME, then marklens watch add"

KINDS: Mapping[str, DamageKind] = {
    "database": DamageKind("The database file itself is damaged.", "restore it from a backup"),
    "mark-unreadable": DamageKind(
        "Rows of marks cannot be read.",
        f"{INDEX} of a table that names them with the operation delete, then {INDEX}",
    ),
    "mark-altered": DamageKind(
        "Fields or the embedding of a mark are not those that were written.",
        f"{ENCODE}, then {INDEX}",
    ),
    "embedding-missing": DamageKind("Marks with a picture have no embedding.", ENCODE),
    "embedding-damaged": DamageKind(
        "Embeddings have another length than their parts, or numbers that are none.", ENCODE
    ),
    "network": DamageKind(
        "The embeddings come from another network than the one in use.",
        f"{ENCODE}, or set MARKLENS_CHECKPOINT to that network",
    ),
    "codes": DamageKind("The tables of codes and classes disagree with the marks.", TABLES),
    "words": DamageKind("The index of words disagrees with the marks.", TABLES),
    "counters": DamageKind("Sequence numbers or counts disagree with the marks.", TABLES),
    "left-over": DamageKind("Tables have rows of no mark, or of a withdrawn one.", TABLES),
    "picture-missing": DamageKind(
        "Files of pictures are missing.", f"{INDEX}, or copy them from a backup"
    ),
    "picture-altered": DamageKind(
        "Files of pictures are not what was kept.", f"{INDEX}, or copy them from a backup"
    ),
    "watch": DamageKind("A watch cannot be compared with marks as it stands.", _ANEW),
    "snapshot-damaged": DamageKind("The snapshot of the index is damaged.", SNAPSHOT),
    "snapshot-other": DamageKind(
        "The snapshot, or Milvus' collection, is of another register or network, or ahead.",
        SNAPSHOT,
    ),
    "snapshot-differs": DamageKind("The snapshot holds other marks than the register.", SNAPSHOT),
    "kept-picture": DamageKind(
        "Pictures that were searched with are damaged.", "remove these files", is_damage=False
    ),
    "snapshot-behind": DamageKind(
        "The snapshot, or Milvus' collection, lacks the newest changes, which servers take in.",
        f"{SNAPSHOT}, should starting take too long",
        is_damage=False,
    ),
    "picture-of-no-mark": DamageKind(
        "Files of pictures belong to no mark: of earlier pictures, or of runs that were killed.",
        "nothing; remove them where room is short and nothing is being indexed",
        is_damage=False,
    ),
}
