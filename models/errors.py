"""The errors that MarkLens raises on purpose: the input or the set-up is at fault.

::

    MarkLensError
    ├── UnreadableImage     a picture that cannot be decoded, or must not be
    │   └── OnlyWords       one of which nothing is left without its words
    ├── BadViennaCode       not a code, or not one of the Vienna Classification
    ├── BadLabels           a labels file that cannot be read as one
    ├── BadCheckpoint       a network folder that is missing, damaged or of another version
    ├── MissingPackage      an optional package that this installation lacks
    │   └── MissingReader   the one that reads words
    └── indexer.errors      the register's own branch

The text of each is one plain sentence: what is wrong, and what to do about it.
"""

from importlib.util import find_spec


class MarkLensError(Exception):
    """Base of all errors that MarkLens raises on purpose."""


class UnreadableImage(MarkLensError):
    """A picture that cannot be decoded, is too small to compare, or too large to open safely."""


class OnlyWords(UnreadableImage):
    """A picture of which nothing is left to compare without its words."""


class BadViennaCode(MarkLensError):
    """A text that is not a Vienna code, or a code that the classification does not hold."""


class BadLabels(MarkLensError):
    """A labels file that is missing, empty or malformed; the text names row and column."""


class BadCheckpoint(MarkLensError):
    """A network folder that is missing, damaged, or written for another version."""


class MissingPackage(MarkLensError):
    """An optional package that this installation lacks; the text says how to install it."""

    @classmethod
    def check(cls, package: str, extra: str, purpose: str) -> None:
        """Raise unless a package of an extra is installed; nothing is imported.

        Args:
            package: as it is imported.
            extra: of MarkLens, that brings it.
            purpose: what needs it, the start of the sentence.

        Raises:
            MissingPackage: it is not.
        """
        if find_spec(package) is None:
            how = f"pip install '.[{extra}]'" + (" or make train" if extra == "train" else "")
            raise cls(
                f"{purpose} needs {package}: install MarkLens with its extra {extra!r} "
                f"({how}, in its folder)"
            )


class MissingReader(MissingPackage):
    """The extra that reads words in pictures is not installed; a server says so to anybody."""
