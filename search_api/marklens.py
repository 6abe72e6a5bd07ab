"""`MarkLens`: the register, its pictures, the network and the index, wired together.

This is the Python API; the command line and HTTP are two faces of it::

    with MarkLens.open() as marklens:
        answer = marklens.search(SearchRequest(Path("logo.png"), k=10))
        for hit in answer.hits:
            ...

The network is loaded by the first call that looks at a picture, and the index by the first
search, so that counting or deleting marks starts at once.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Unpack

from PIL import Image

from indexer.errors import FingerprintMismatch, UnknownMark
from indexer.index.following import RegisterIndex
from indexer.ingest import IngestOptions, IngestProgress, IngestReport, ingest, open_workers
from indexer.ingest.encoding import prepare, with_encoding
from indexer.ingest.reencode import encode_again
from indexer.ingest.workers import LocalWorkers, named
from indexer.marks import Mark, MarkRecord
from indexer.query import SearchQuery, ranks_words
from indexer.register import Register
from indexer.register.durable import data_folder
from indexer.register.image_store import ImageStore
from indexer.search.searcher import Searcher
from indexer.search.several_pictures import search_pictures
from indexer.search.with_words import search_with_words
from indexer.sources import SourceOptions, open_source
from models.encoder import Encoder
from models.errors import MarkLensError
from models.explanation import Explainer
from models.images import decoders
from models.vienna import PredictedCode, ViennaCode
from search_api.answers import (
    Added,
    Answer,
    IndexingState,
    RebuildReport,
    SeenCodes,
    Status,
)
from search_api.indexes import open_index
from search_api.listing import list_marks
from search_api.query_encoder import STAGES, QueryEncoder, decoded
from search_api.request import WHOLE, Picture, SearchRequest, View, require_known_codes
from search_api.settings import BadSettings, Settings

logger = logging.getLogger(__name__)


class MarkLens:
    """An open register that can be searched, written and rebuilt; safe to share by threads."""

    def __init__(self, settings: Settings, register: Register, images: ImageStore) -> None:
        self.settings = settings
        self.register = register
        self.images = images
        self.queries = QueryEncoder(settings, register, self.image)
        self._lock = RLock()
        self._encoder: Encoder | None = None
        self._explainer: Explainer | None = None
        self._follower: RegisterIndex | None = None
        self._searcher: Searcher | None = None
        self.indexing = IndexingState()

    @classmethod
    def open(cls, settings: Settings | None = None, create: bool = True) -> "MarkLens":
        """Open the register that `settings` (default: the environment) name.

        Args:
            settings: where it is, and how to search it.
            create: make the register where there is none.

        Raises:
            BadSettings: the environment holds a value that cannot be used.
            DatabaseUnavailable: the register cannot be opened, or there is none and none may be
                made.
        """
        settings = Settings.read() if settings is None else settings
        if create:
            _make_data_folder(settings.data_dir)
        register = Register.open(settings.register_url, create, settings.database_timeout_s)
        images = ImageStore(settings.images_dir, settings.thumbnails_mb * 1_000_000)
        return cls(settings, register, images)

    def close(self) -> None:
        """Stop following and close the register; a second call does nothing."""
        self._stop()
        self.register.close()

    def __enter__(self) -> "MarkLens":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def encoder(self) -> Encoder:
        """The network, loaded on first use.

        Raises:
            BadCheckpoint: its folder is missing, damaged or of another version.
        """
        with self._lock:
            if self._encoder is None:
                chosen = self.settings
                decoders.start()  # beside loading
                self._encoder = Encoder.load(chosen.checkpoint, chosen.device, chosen.runtime)
            return self._encoder

    @property
    def follower(self) -> RegisterIndex:
        """The index, loaded on first use and then up to date with the register."""
        with self._lock:
            if self._follower is None:
                follower = open_index(self.settings, self.register, *self._bound())
                follower.refresh()
                self._follower = follower
            return self._follower

    @property
    def searcher(self) -> Searcher:
        """The ranking over the index, for embeddings of the network in use.

        Raises:
            FingerprintMismatch: the register holds embeddings of another network.
        """
        with self._lock:
            if self._searcher is None:
                self._bind()
                encoder = self.encoder
                meaning = encoder.checkpoint.score_calibration
                self._searcher = Searcher(self.register, self.follower, encoder.blocks, meaning)
            return self._searcher

    @property
    def ready(self) -> bool:
        """Whether a search would be answered without loading the network or the index first."""
        return self._searcher is not None

    def start_following(self) -> None:
        """Load network and index, then follow other processes' changes in the background."""
        searcher = self.searcher
        self.follower.start(self.settings.poll_s)
        logger.info("following the register: %s", searcher)

    def search(self, request: SearchRequest) -> Answer:
        """Find the marks that look most like a picture or a mark, or list those that pass a filter.

        Raises:
            UnreadableImage: the picture cannot be decoded, or the crop lies outside of it.
            PictureGone: the picture is kept no longer.
            UnknownMark: the register holds no mark of the id that was given.
            BadQuery: a weight is of no block of the network, or the mark has no embedding.
            BadViennaCode: the filter names a code that does not exist.
            TooBusy: too many pictures wait already.
        """
        if not request.is_ranked:
            require_known_codes(request.filter, self._follower or self.register)
            return list_marks(self.register, request)
        searcher = self.searcher
        require_known_codes(request.filter, self.follower)
        encoded = self.queries.encode_request(self.encoder, request)
        seen = SeenCodes.of([one.seen for one in encoded])
        query = SearchQuery(
            embedding=encoded[0].embedding,
            k=request.offset + request.k,
            filter=request.filter,
            weights=request.weights,
            exclude=frozenset() if request.mark_id is None else frozenset({request.mark_id}),
            among=request.among,
            rerank=request.rerank,
            shown=seen.certainty(encoded[0].assigned),
        )
        search = searcher.search
        if ranks_words(query.filter, query.weights):
            search = partial(search_with_words, self.register, searcher)
        others = [one.embedding for one in encoded[1:]]
        result = search_pictures(search, query, others)
        stages = {name: sum(one.milliseconds[name] for one in encoded) for name in STAGES}
        spent = {**stages, **result.plan.milliseconds}
        plan = replace(result.plan, milliseconds=spent)
        pictures = tuple(one.shown for one in encoded)
        hits = searcher.grouped(result.hits)[request.offset :]
        return Answer(hits, plan, seen.vienna, seen.perhaps, pictures)

    def classify(self, picture: Picture, view: View = WHOLE) -> tuple[PredictedCode, ...]:
        """Name the Vienna codes seen in a picture, most probable first.

        Raises:
            UnreadableImage, PictureGone, TooBusy: as in `search`.
        """
        return self.codes(picture, view).vienna

    def codes(self, picture: Picture, view: View = WHOLE) -> SeenCodes:
        """Name the Vienna codes seen in a picture, and those that may be there.

        Raises:
            UnreadableImage, PictureGone, TooBusy: as in `search`.
        """
        return self.queries.encode(self.encoder, picture, view).seen

    def explain(
        self, picture: Picture, view: View = WHOLE, code: ViennaCode | None = None
    ) -> Image.Image:
        """Draw where each code was seen, beside the picture; or one, to be laid over it.

        Raises:
            UnreadableImage, PictureGone, TooBusy, BadViennaCode: as in `search`.
        """
        encoder, admission = self.encoder, self.queries.admission
        with self._lock:
            if self._explainer is None:
                self._explainer = Explainer(encoder)
        patience = admission.patience()
        image = decoded(admission, self.queries.opened(picture), view, patience)
        with admission.lanes["explain"].turn(patience):
            if code is None:
                seen = encoder.predicted(encoder.encode([image]).probabilities[0])
                return self._explainer.explain(image, seen).sheet()
            return self._explainer.explain(image, [PredictedCode(code, 1)]).overlay(image.size)

    def draw(self, picture: Picture, view: View = WHOLE) -> Image.Image:
        """Decode a picture as a search sees it; raises what `classify` does."""
        return decoded(self.queries.admission, self.queries.opened(picture), view)

    def mark(self, mark_id: str) -> Mark:
        """Return a live mark.

        Raises:
            UnknownMark: the register holds no such mark.
        """
        return self.register.mark(mark_id)

    def image(self, mark_id: str) -> bytes:
        """Return the original picture of a mark.

        Raises:
            UnknownMark: the register holds no such mark, or the mark has no picture.
        """
        digest = self.register.mark(mark_id).image_digest
        if digest is None:
            raise UnknownMark(mark_id, f"The mark {mark_id!r} has no picture.")
        return self.images.get(digest)

    def add(self, record: MarkRecord, image: bytes) -> Added:
        """Register one mark, or replace the one of the same id; on return searches find it.

        Raises:
            UnreadableImage: the picture cannot be decoded.
            BadRecord: the record breaks a rule of the register.
            FingerprintMismatch: the register holds embeddings of another network.
        """
        encoder = self._bind()
        admission, patience = self.queries.admission, self.queries.admission.patience()
        admission.encoding.require_room(patience)
        with admission.decoding(image).turn(patience):
            prepared = prepare(LocalWorkers(encoder), record, image)
        seen = admission.encoding.encode(encoder, prepared.picture, patience)
        encodings = {prepared.mark.pixels_digest or "": named(encoder, seen)[0]}
        created = record.id not in self.register.digests([record.id])
        self.images.put(image)
        self.register.add([with_encoding(prepared, encodings)])
        self._catch_up()
        return Added(self.register.mark(record.id), created)

    def delete(self, mark_id: str) -> None:
        """Withdraw a mark: this process stops returning it now, others within `poll_s`.

        Raises:
            UnknownMark: the register holds no such mark.
        """
        if self.register.delete([mark_id]) == 0:
            raise UnknownMark(mark_id)
        self._catch_up()

    def ingest(
        self,
        source: Path,
        *,
        options: IngestOptions | None = None,
        on_progress: Callable[[IngestProgress], None] | None = None,
        workers: str | int | None = None,
        **reading: Unpack[SourceOptions],
    ) -> IngestReport:
        """Write a table of marks, offices' files or a folder of pictures into the register.

        Args:
            source: a file or folder; docs/indexing.md says what it may be.
            options: batch size, dry run and the like.
            on_progress: called after each batch.
            workers: who decodes and encodes, as `open_workers` takes it; None is this process.
            reading: `images`, `format`, `encoding` and `strict`, as `open_source` takes them.

        Raises:
            SourceError: it cannot be read at all.
            FingerprintMismatch: the register holds embeddings of another network.
            WorkersLost: no workers answer, or those that do have another network.
        """
        rows = open_source(source, **reading)
        looking_only = options is not None and options.dry_run and self.register.bound() is None
        encoder = self.encoder if looking_only else self._bind()
        opened = open_workers(workers, encoder, self.settings.device, self.settings.runtime)
        with opened as those, self.indexing.followed(on_progress) as note:
            report = ingest(rows, self.register, self.images, those, options, note)
            self._catch_up()
        return report

    def status(self) -> Status:
        """Count what the register holds, without loading the network or the index."""
        return Status.of(self.register, self.settings.data_dir)

    def rebuild(
        self, encode: bool = False, on_progress: Callable[[int, int], None] | None = None
    ) -> RebuildReport:
        """Make the index again from the register alone.

        Args:
            encode: also encode every stored picture again with the network in use, and bind the
                register to that network. Stop servers and indexing of the register first. An
                interrupted run goes on where it stopped; until it is complete nothing else
                opens the register for search.
            on_progress: called with (marks encoded, marks to encode) after each batch.

        Raises:
            DatabaseUnavailable: the register cannot be read or written.
            MarkLensError: the snapshot cannot be written.
        """
        encoded, skipped = 0, tuple[tuple[str, str], ...]()
        if encode:
            self._stop()
            encoded, skipped = encode_again(self.register, self.images, self.encoder, on_progress)
        # Not brought up to date first: what is there may be of another kind, which is refused.
        index = self._follower or open_index(self.settings, self.register, *self._bound())
        self._follower = index
        index.rebuild()
        try:
            index.save_snapshot()
        except OSError as error:
            raise MarkLensError(
                f"The index cannot be saved in {self.settings.snapshot_dir}: {error.strerror}; "
                "free some space there, or let this account write to it."
            ) from error
        return RebuildReport(self.register.count(), index.view().sequence, encoded, skipped)

    def _stop(self) -> None:
        with self._lock:
            if self._follower is not None:
                self._follower.stop()
            self._follower = self._searcher = None

    def _catch_up(self) -> None:
        """Show this process's own write at once, where it already holds an index."""
        follower = self._follower
        if follower is not None:
            follower.refresh()

    def _bound(self) -> tuple[str, int]:
        """Fingerprint and dimension of the register's embeddings; binds an empty register."""
        bound = self.register.bound()
        if bound is None:
            encoder = self._bind()
            return encoder.fingerprint, encoder.dimension
        return bound

    def _bind(self) -> Encoder:
        encoder = self.encoder
        try:
            self.register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
        except FingerprintMismatch as error:
            raise FingerprintMismatch(
                "The register's embeddings come from another network than the one in use: "
                "run `marklens rebuild --encode`, or set MARKLENS_CHECKPOINT to that network."
            ) from error
        return encoder


def _make_data_folder(folder: Path) -> None:
    try:
        data_folder(folder)
    except OSError as error:
        raise BadSettings(f"The data folder {folder} cannot be made: {error.strerror}.") from error
