"""Encodes every stored picture again, after the network has changed.

While it runs the register is bound to a fingerprint that no network has, so that nothing mixes
embeddings of two networks, also when the run is killed. A second run finds by their digests the
marks that are done and goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from indexer.ingest.encoding import PreparedMark, encode, mark_digest, prepare
from indexer.ingest.workers import LocalWorkers
from indexer.marks import EncodedMark, Mark
from indexer.register import Register
from indexer.register.image_store import ImageStore
from models.encoder import Encoder
from models.errors import MarkLensError

_BATCH = 64
UNFINISHED = "unfinished rebuild for "  # begins the fingerprint of a register meanwhile

Skipped = tuple[tuple[str, str], ...]


def encode_again(
    register: Register,
    images: ImageStore,
    encoder: Encoder,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[int, Skipped]:
    """Replace every embedding and predicted code by those of `encoder`, and bind it.

    Args:
        register: the register; nothing else may write to it meanwhile.
        images: where its pictures are.
        encoder: the network to go over to.
        on_progress: called with (marks done, marks in all) after each batch.

    Returns:
        How many marks were encoded, and (id, reason) of those whose picture could not be.
    """
    register.rebind_fingerprint(UNFINISHED + encoder.fingerprint, encoder.dimension)
    workers = LocalWorkers(encoder)
    total, done, encoded = register.count(), 0, 0
    skipped: list[tuple[str, str]] = []
    for batch in _batches(register):
        prepared: list[PreparedMark] = []
        lost: list[EncodedMark] = []
        for mark in _still_due(batch, register, encoder.fingerprint):
            try:
                content = images.get(mark.image_digest or "")
                prepared.append(prepare(workers, mark.record, content))
            except MarkLensError as error:
                lost.append(_without_embedding(mark))
                skipped.append((mark.record.id, str(error)))
        register.add(encode(workers, prepared) + lost, is_noted=False)
        encoded += len(prepared)
        done += len(batch)
        if on_progress is not None:
            on_progress(done, total)
    register.rebind_fingerprint(encoder.fingerprint, encoder.dimension)
    return encoded, tuple(skipped)


def _batches(register: Register) -> Iterator[Sequence[Mark]]:
    """Yield the live marks by id; an embedding that is damaged stops nothing, as none is read."""
    marks = register.every_mark(_BATCH)
    while batch := tuple(islice(marks, _BATCH)):
        yield batch


def _without_embedding(mark: Mark) -> EncodedMark:
    """A mark whose picture is lost: what the network before made of it must not stay either.

    Its digest is no network's, so indexing its source again, or another run, gives it one.
    """
    return EncodedMark(
        record=mark.record,
        digest=mark_digest(mark.record, mark.image_digest, fingerprint=""),
        image_digest=mark.image_digest,
        media_type=mark.media_type,
        width=mark.width,
        height=mark.height,
    )


def _still_due(marks: Sequence[Mark], register: Register, fingerprint: str) -> list[Mark]:
    ids = [mark.record.id for mark in marks]
    known, damaged = register.digests(ids), register.damaged_embeddings(ids)
    return [
        mark
        for mark in marks
        if mark.image_digest is not None
        and (
            mark.record.id in damaged
            or known.get(mark.record.id) != mark_digest(mark.record, mark.image_digest, fingerprint)
        )
    ]
