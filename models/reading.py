"""Reads the words that are written in a picture, and paints them over.

RapidOCR (the extra `words`) finds lines of text and reads them with the networks that its package
holds, on OpenVINO; nothing is fetched. The networks know Latin, Chinese and Japanese letters. A
line may stand askew or upside down; letters on a narrow circle, and upright lines of single
letters, are mostly missed.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from models.errors import MissingReader

LEAST_CONFIDENCE = 0.7  # of a line; figures that look like letters are read with less
_LEAST_SIGNS = 2  # letters and digits of a line: what is read alone is mostly a figure
_SHORT_SIDE = 320  # pixels to which smaller pictures are enlarged
_MARGIN = 0.1  # of white around a picture: letters at its edge are missed otherwise
_EDGE = 5  # pixels across the edge of a line, whose median paints it over
# One picture at a time is read, by half of the cores: the network has the others.
_THREADS = max(1, (os.cpu_count() or 2) // 2)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line of text in a picture.

    Attributes:
        text: as it is read.
        confidence: of the reading, 0 to 1.
        corners: of the line, as shares of the picture, clockwise from where the text begins.
    """

    text: str
    confidence: float
    corners: tuple[Point, Point, Point, Point]

    def within(self, corner: NDArray[np.float64], size: NDArray[np.float64]) -> "ReadLine":
        """The same line of a picture that is a part of another, in shares of that one.

        Args:
            corner: upper left one of the part (2,), x and y.
            size: of the part (2,), across and down; both are shares of the whole.
        """
        return replace(self, corners=_corners(corner + np.array(self.corners) * size))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, as shares of the picture."""
        across, down = zip(*self.corners, strict=True)
        return min(across), min(down), max(across), max(down)


def joined(lines: Sequence[ReadLine]) -> str:
    """The text of some lines as the words of a mark."""
    return " ".join(line.text for line in lines)


class WordReader:
    """Reads pictures, one at a time; safe to share by threads. Use `READER`: one a process."""

    def __init__(self) -> None:
        self._lock = Lock()

    def require(self) -> None:
        """Check that words can be read; nothing is loaded.

        Raises:
            MissingReader: the extra `words` is not installed.
        """
        MissingReader.check("rapidocr", "words", "reading the words in pictures")

    @property
    def is_installed(self) -> bool:
        """Whether words can be read."""
        try:
            self.require()
        except MissingReader:
            return False
        return True

    def read(self, image: Image.Image) -> tuple[ReadLine, ...]:
        """Read a picture's lines, from top to bottom.

        Args:
            image: mode RGB.

        Raises:
            MissingReader: the extra `words` is not installed.
        """
        self.require()
        margin = round(_MARGIN * max(image.size)) + 1
        sheet = Image.new("RGB", (image.width + 2 * margin, image.height + 2 * margin), "white")
        sheet.paste(image, (margin, margin))
        with self._lock:
            found = self._engine(np.ascontiguousarray(np.asarray(sheet)[:, :, ::-1]))
        if found.txts is None or found.boxes is None:
            return ()
        inside = np.clip((np.asarray(found.boxes) - margin) / np.array(image.size), 0.0, 1.0)
        return tuple(
            ReadLine(text.strip(), float(confidence), _corners(box))
            for text, confidence, box in zip(found.txts, found.scores, inside, strict=True)
            if sum(map(str.isalnum, text)) >= _LEAST_SIGNS
        )

    @cached_property
    def _engine(self) -> Any:
        import cv2
        from rapidocr import EngineType, RapidOCR

        cv2.setNumThreads(1)
        engines = {f"{part}.engine_type": EngineType.OPENVINO for part in ("Det", "Cls", "Rec")}
        return RapidOCR(
            params={
                **engines,
                "Global.log_level": "error",
                "Global.text_score": LEAST_CONFIDENCE,
                "Det.limit_side_len": _SHORT_SIDE,
                "EngineConfig.openvino.inference_num_threads": _THREADS,
                "EngineConfig.openvino.num_streams": 1,
            }
        )


READER = WordReader()


def paint_over(image: Image.Image, lines: Sequence[ReadLine]) -> Image.Image:
    """Paint lines of text with the colour of the ground around them.

    Args:
        image: mode RGB.
        lines: of this picture.

    Returns:
        A new picture. Each line's quadrangle has the median colour of the pixels along its edge.
    """
    painted = image.copy()
    for line in lines:
        mask = Image.new("L", image.size)
        corners = [(x * (image.width - 1), y * (image.height - 1)) for x, y in line.corners]
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        grown = mask.filter(ImageFilter.MaxFilter(_EDGE))
        painted.paste(_ground(image, grown, mask), mask=grown)
    return painted


def _ground(image: Image.Image, grown: Image.Image, mask: Image.Image) -> tuple[int, int, int]:
    """The median colour along the edge of a mask; all of the mask where it has no inside."""
    inner = np.asarray(mask.filter(ImageFilter.MinFilter(_EDGE))) > 0
    edge = (np.asarray(grown) > 0) & ~inner
    red, green, blue = np.median(np.asarray(image)[edge], axis=0)
    return int(red), int(green), int(blue)


def _corners(box: NDArray[np.float64]) -> tuple[Point, Point, Point, Point]:
    first, second, third, fourth = ((float(x), float(y)) for x, y in box)
    return first, second, third, fourth
