"""Encoding of a query: from the picture or mark that a user points at to its embedding."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat
from safetensors import SafetensorError
from safetensors.numpy import load, save

from indexer.errors import BadQuery
from indexer.marks import Box, Mark
from indexer.register import Register
from indexer.register.database import is_open_database
from models.encoder import Embedding, Encoder
from models.errors import OnlyWords, UnreadableImage
from models.images import (
    crop_image,
    full_size,
    page_count,
    refuse_blank,
    turn_image,
)
from models.network.places import from_bytes, to_bytes
from models.reading import READER, ReadLine, paint_over
from models.vienna import PredictedCode, ViennaCode
from search_api.admission import Admission
from search_api.answers import QueryPicture, SeenCodes
from search_api.errors import UnreadablePicture
from search_api.kept_pictures import KeptPictures
from search_api.lanes import Patience
from search_api.request import (
    WHOLE,
    KeptPicture,
    OpenPicture,
    Picture,
    SearchRequest,
    View,
    views_of,
)
from search_api.settings import Settings

logger = logging.getLogger(__name__)
STAGES = ("decode", "wait", "encode")  # of a picture, before it is compared
_UNNAMED = "image"  # what a picture is called that has no name
_FLAT = 24  # levels of a channel between which a picture shows nothing


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """What a search compares, and what the network sees in it.

    Attributes:
        embedding: of the whole sign and of its parts; boxes and places are shares of the picture
            that a crop is measured in, the turned page.
        seen: the codes that the network sees.
        assigned: the codes of the mark whose stored embedding it is.
        pages: of the file that the picture comes from.
        handle: by which the picture is kept; None where it is not.
        milliseconds: spent on ``decode`` (with cropping and preparing), ``wait`` (for a turn) and
            ``encode``.
    """

    embedding: Embedding
    seen: SeenCodes
    assigned: tuple[ViennaCode, ...] = ()
    pages: int = 1
    handle: str | None = None
    milliseconds: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @property
    def shown(self) -> QueryPicture:
        """What an answer says of it."""
        boxes: tuple[Box, ...] = tuple(map(tuple, self.embedding.boxes.tolist()))
        return QueryPicture(self.pages, boxes, self.handle)

    def to_bytes(self) -> bytes:
        """All of it but the handle and the times."""
        codes = [
            [[str(one.code), one.probability] for one in some]
            for some in (self.seen.vienna, self.seen.perhaps)
        ]
        said = json.dumps({"pages": self.pages, "codes": codes}).encode()
        return save(
            {
                "vectors": self.embedding.vectors,
                "boxes": self.embedding.boxes,
                "places": np.frombuffer(self.embedding.places, np.uint8),
                "said": np.frombuffer(said, np.uint8),
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes, handle: str) -> "EncodedQuery":
        """Read what `to_bytes` wrote of a picture that is kept."""
        found = load(content)
        said = json.loads(found["said"].tobytes())
        vienna, perhaps = (
            tuple(PredictedCode(ViennaCode.parse(code), share) for code, share in some)
            for some in said["codes"]
        )
        embedding = Embedding(found["vectors"], found["boxes"], found["places"].tobytes())
        return cls(embedding, SeenCodes(vienna, perhaps), pages=said["pages"], handle=handle)


class QueryEncoder:
    """Encodes what searches are made with; safe to share by threads.

    Attributes:
        kept: the pictures that the server keeps.
        admission: lets a few pictures at once be decoded and encoded.
    """

    def __init__(
        self, settings: Settings, register: Register, image: Callable[[str], bytes]
    ) -> None:
        """Prepare.

        Args:
            settings: how many pictures at once, and what is kept where.
            register: where marks' embeddings are read.
            image: gives the picture of a mark.
        """
        self._register = register
        self._image = image
        self.admission = Admission(settings)
        self.kept = KeptPictures(
            settings.queries_dir, settings.query_days * 86_400, settings.query_mb * 1_000_000
        )

    def encode_request(self, encoder: Encoder, request: SearchRequest) -> list[EncodedQuery]:
        """The embeddings to compare: stored, or made of pictures.

        Raises:
            BadQuery: there is nothing to compare.
            UnreadablePicture: one of several pictures cannot be decoded.
            UnknownMark, PictureGone, UnreadableImage, TooBusy: as in `encode`.
        """
        patience = self.admission.patience(alone=request.alone)
        if request.mark_id is not None:
            if request.view == WHOLE:
                return [stored_query(self._register, encoder, self._register.mark(request.mark_id))]
            image = self._image(request.mark_id)
            return [self.encode(encoder, image, request.view, patience=patience)]
        if request.picture is None:
            raise BadQuery("there is nothing to compare: give a picture or the id of a mark")
        pictures = (request.picture, *request.others)
        views = views_of(request.view, request.other_views)
        encoded = []
        for place, (picture, view) in enumerate(zip(pictures, views, strict=False)):
            try:
                encoded.append(self.encode(encoder, picture, view, request.keep, patience))
            except UnreadableImage as error:
                if len(pictures) == 1:
                    raise
                reason = str(error)
                if reason.startswith(_UNNAMED):
                    reason = f"picture {place + 1}{reason.removeprefix(_UNNAMED)}"
                raise UnreadablePicture(place, reason) from error
        return encoded

    def encode(
        self,
        encoder: Encoder,
        picture: Picture,
        view: View,
        keep: bool = False,
        patience: Patience | None = None,
    ) -> EncodedQuery:
        """Decode a picture and encode what is looked at of it.

        A kept picture is encoded once for each view, whichever server does it.

        Args:
            encoder: the network.
            picture: to look at.
            view: what of it.
            keep: whether the server keeps a picture that is given as bytes.
            patience: how long it may wait; as long as one request by default.

        Raises:
            UnreadableImage: it cannot be decoded, lacks the page, or the crop lies outside of it.
            PictureGone: it is kept no longer.
            TooBusy: too many pictures wait already.
        """
        if isinstance(picture, KeptPicture) and not (patience and patience.alone):
            found = self._noted(encoder, picture.handle, view)
            if found is not None:
                return found
        encoded = encode_picture(encoder, self.admission, self.opened(picture), view, patience)
        handle = None
        try:
            if isinstance(picture, KeptPicture):
                handle = picture.handle
            elif keep and self.kept.is_on and isinstance(picture, bytes):
                handle = self.kept.keep(picture)
            if handle is None:
                return encoded
            self.kept.note(handle, _note_of(encoder, view), encoded.to_bytes())
        except OSError as error:
            logger.warning("a query picture cannot be kept: %s", error)
        return replace(encoded, handle=handle)

    def read(self, picture: Picture, view: View) -> tuple[ReadLine, ...]:
        """Read the words in what is looked at of a picture.

        Returns:
            Lines from top to bottom; their corners are shares of the turned page.

        Raises:
            MissingReader: the extra `words` is not installed.
            UnreadableImage, PictureGone, TooBusy: as in `encode`.
        """
        READER.require()
        opened = self.opened(picture)
        patience = self.admission.patience()
        page = _page(self.admission, opened, view, patience)
        part = _looked_at(page, opened, view)
        with self.admission.reading.turn(patience):
            lines = READER.read(part)
        corner, side = _part(page, view)
        return tuple(line.within(corner, side) for line in lines)

    def opened(self, picture: Picture) -> OpenPicture:
        """A picture itself, where its handle is given.

        Raises:
            PictureGone: it is kept no longer.
        """
        return self.kept.content(picture.handle) if isinstance(picture, KeptPicture) else picture

    def _noted(self, encoder: Encoder, handle: str, view: View) -> EncodedQuery | None:
        """What a kept picture was encoded as before; None where it was not."""
        noted = self.kept.noted(handle, _note_of(encoder, view))
        try:
            return None if noted is None else EncodedQuery.from_bytes(noted, handle)
        except (SafetensorError, LookupError, ValueError) as error:
            logger.warning("a kept embedding is damaged, encoding again: %s", error)
            return None


def encode_picture(
    encoder: Encoder,
    admission: Admission,
    picture: OpenPicture,
    view: View,
    patience: Patience | None = None,
) -> EncodedQuery:
    """Decode a picture and encode what is looked at of it.

    Raises:
        UnreadableImage: it cannot be decoded, lacks the page, or the crop lies outside of it.
        TooBusy: too many pictures wait already.
    """
    patience = patience or admission.patience()
    admission.encoding.require_room(patience)
    began, before = perf_counter(), patience.waited
    page = _page(admission, picture, view, patience)
    prepared = encoder.prepare(_compared(admission, page, picture, view, patience))
    ready, waited = perf_counter(), patience.waited - before
    encoded = admission.encoding.encode(encoder, prepared, patience)
    ended = perf_counter()
    return EncodedQuery(
        embedding=_within(encoded.embeddings[0], page, view),
        seen=seen_codes(encoder, encoded.probabilities[0]),
        pages=page_count(page),
        milliseconds={
            "decode": 1000 * (ready - began - waited),
            "wait": 1000 * (patience.waited - before),
            "encode": 1000 * (ended - ready - patience.waited + before + waited),
        },
    )


def _note_of(encoder: Encoder, view: View) -> str:
    """The name under which the embedding of a view by this network is kept."""
    crop = "whole" if view.crop is None else "-".join(map(str, view.crop))
    words = "-no-words" if view.ignore_words else ""
    return f"{encoder.fingerprint}-{view.page}-{view.turn}-{crop}{words}"


def stored_query(register: Register, encoder: Encoder, mark: Mark) -> EncodedQuery:
    """Read a mark's stored embedding, and those of its codes that reach their thresholds.

    Raises:
        BadQuery: the mark has no embedding.
    """
    # By its id: under the sequence number that `mark` has nothing is left if it was written since.
    embedding = register.embedding(mark.record.id)
    if embedding is None:
        raise BadQuery(f"The mark {mark.record.id!r} has no picture to compare.")
    probabilities = encoder.probabilities_of(mark.predicted)
    return EncodedQuery(embedding, seen_codes(encoder, probabilities), mark.record.vienna)


def seen_codes(encoder: Encoder, probabilities: NDArray[np.float32]) -> SeenCodes:
    """Name the codes that are seen in one picture, from its probabilities (labels,)."""
    return SeenCodes(encoder.predicted(probabilities), encoder.perhaps(probabilities))


def decoded(
    admission: Admission, picture: OpenPicture, view: View, patience: Patience | None = None
) -> Image.Image:
    """Decode what is looked at of a picture.

    Raises:
        UnreadableImage: it cannot be decoded, lacks the page, the crop lies outside of it, or all
            is white.
        TooBusy: too many pictures wait already.
    """
    patience = patience or admission.patience()
    page = _page(admission, picture, view, patience)
    return _compared(admission, page, picture, view, patience)


def _page(
    admission: Admission, picture: OpenPicture, view: View, patience: Patience
) -> Image.Image:
    """The page that is looked at, turned."""
    image = picture
    if not isinstance(image, Image.Image):
        content = read_picture(image) if isinstance(image, Path) else image
        image = admission.decode(content, _name(picture), view.page, patience)
    return turn_image(image, view.turn)


def _looked_at(page: Image.Image, picture: OpenPicture, view: View) -> Image.Image:
    """What a view leaves of a page, with its words."""
    if view.crop is None:
        refuse_blank(page, _name(picture))
        return page
    part = crop_image(page, view.crop)
    refuse_blank(part, f"{_name(picture)}, cropped")
    return part


def _compared(
    admission: Admission, page: Image.Image, picture: OpenPicture, view: View, patience: Patience
) -> Image.Image:
    """What a view leaves of a page, without its words where they are to be ignored."""
    part = _looked_at(page, picture, view)
    if not view.ignore_words:
        return part
    with admission.reading.turn(patience):
        bare = paint_over(part, READER.read(part))
    if all(high - low < _FLAT for low, high in ImageStat.Stat(bare).extrema):
        raise OnlyWords(
            f"{_name(picture)}, without its words: nothing is left to compare; search with them"
        )
    return bare


def _name(picture: OpenPicture) -> str:
    return picture.name if isinstance(picture, Path) else _UNNAMED


def _within(embedding: Embedding, page: Image.Image, view: View) -> Embedding:
    """Say where all of it is in the page of which a part may have been encoded."""
    if view.crop is None:
        return embedding
    corner, side = (np.tile(one, 2) for one in _part(page, view))
    boxes = (corner + embedding.boxes * side).astype(np.float32)
    places = [
        one._replace(square=tuple((corner + np.array(one.square) * side).tolist()))
        for one in from_bytes(embedding.places)
    ]
    return Embedding(embedding.vectors, boxes, to_bytes(places))


def _part(page: Image.Image, view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Upper left corner and size of what a view leaves of a page, as shares of it."""
    whole = np.array(full_size(page), np.float64)
    x, y, width, height = view.crop or (0, 0, *whole)
    return np.array((x, y)) / whole, np.array((width, height)) / whole


def read_picture(file: Path) -> bytes:
    """The content of a file that is searched with.

    Raises:
        UnreadableImage: it cannot be read, or may not.
    """
    if is_open_database(file):
        raise UnreadableImage(f"{file}: is the register's database, no picture.")
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableImage(f"{file}: cannot be read: {reason}.") from error
