"""Who may decode and encode now: the lanes of a server, one for each kind of work.

Drawings, which may take seconds, hold up no photograph so.
"""

from collections.abc import Mapping

from PIL import Image

from models.images import decode_image, decoders, media_type
from search_api.encoding_lane import EncodingLane
from search_api.lanes import Lane, Patience
from search_api.settings import Settings

_REPORTS = 2  # written at the same time
DRAWING_S = 2  # of a processor, for an SVG or a page of a PDF that is waited for
_DRAWN = frozenset(("image/svg+xml", "application/gzip", "application/pdf"))


class Admission:
    """The lanes of one server; safe to share by threads.

    Attributes:
        encoding: where the network is waited for.
        lanes: by name: ``decode``, ``draw``, ``encode``, ``explain``, ``read`` (words) and
            ``report``.
    """

    def __init__(self, settings: Settings) -> None:
        self._wait_s, queue = settings.queue_s, settings.encode_queue
        drawing = max(1, decoders.size // 2)
        self.encoding = EncodingLane(settings.encode_workers, queue)
        self.lanes: Mapping[str, Lane] = {
            "decode": Lane(max(1, decoders.size - drawing), queue // 2),
            "draw": Lane(drawing, queue // 4),
            "encode": self.encoding,
            "explain": Lane(1, queue // 2),  # takes longer than encoding, and waits for no search
            "read": Lane(1, queue // 2),
            "report": Lane(_REPORTS, queue // 4),
        }

    @property
    def reading(self) -> Lane:
        """Where the reader of words is waited for, which is slow to start."""
        return self.lanes["read"]

    def decoding(self, content: bytes) -> Lane:
        """Where a picture waits to be decoded."""
        return self.lanes["draw" if media_type(content) in _DRAWN else "decode"]

    def patience(self, *, alone: bool = False) -> Patience:
        """How long one request may wait, and whether for turns of its own."""
        return Patience(self._wait_s, alone=alone)

    def decode(
        self, content: bytes, name: str = "image", page: int = 1, patience: Patience | None = None
    ) -> Image.Image:
        """Decode a picture that somebody waits for, when it is its turn.

        Raises:
            UnreadableImage: as `decode_image` raises; a drawing also if it takes longer than 2 s.
            TooBusy: too many pictures wait already.
        """
        with self.decoding(content).turn(patience or self.patience()):
            return decode_image(content, name, page, DRAWING_S)
