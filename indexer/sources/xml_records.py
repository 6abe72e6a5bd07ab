"""XML of any size as a stream of small trees, one a record; safe against hostile files.

The parser is expat with every door shut: a document that declares an entity is refused before
anything is expanded (billion laughs, quadratic blow-up), nothing outside of the file is ever
opened, and what one record may hold in memory is bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element
from xml.parsers import expat

from indexer.errors import BrokenSource, SourceError

_CHUNK = 2**16
_MOST_ELEMENTS = 200_000  # a record with 45 classes in 24 languages has some thousands
_MOST_CHARACTERS = 16 * 2**20
_DEEPEST = 500
_HEAD_ELEMENTS = 400


@dataclass(frozen=True, slots=True)
class XmlRecord:
    """One record of a file.

    Attributes:
        line: it begins on, from 1.
        element: its tree, names without prefixes; None where it is too large to be one mark.
    """

    line: int
    element: Element | None


@dataclass(frozen=True, slots=True)
class XmlHead:
    """What the first elements of a document say about its format.

    Attributes:
        root: name of the outermost element, without prefix.
        names: of the first elements, the root included.
        namespaces: that they declare.
    """

    root: str
    names: frozenset[str]
    namespaces: frozenset[str]

    def speaks_of(self, *words: str) -> bool:
        """Whether one of these words stands in a namespace."""
        return any(word in namespace for namespace in self.namespaces for word in words)


def read_head(head: bytes, name: str) -> XmlHead | None:
    """Look at the first bytes of a file; None if they are no XML.

    Raises:
        SourceError: the document declares entities.
    """
    names: list[str] = []
    namespaces: set[str] = set()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(names) < _HEAD_ELEMENTS:
            names.append(_local(tag))
            namespaces.update(
                value
                for key, value in attributes.items()
                if key.startswith(("xmlns", "xsi:")) or key.endswith(":schemaLocation")
            )

    parser = _parser(name)
    parser.StartElementHandler = start
    try:
        parser.Parse(head, False)
    except expat.ExpatError:
        if not names:
            return None
    return XmlHead(names[0], frozenset(names), frozenset(namespaces)) if names else None


def read_records(stream: BinaryIO, wanted: frozenset[str], name: str) -> Iterator[XmlRecord]:
    """The elements of some names, each as soon as it ends; memory holds one at a time.

    Args:
        stream: the document.
        wanted: names of the elements that are records, without prefixes.
        name: of the file, for messages.

    Raises:
        BrokenSource: the document ends or breaks in its middle; all records before it are read.
        SourceError: it declares entities, or nests or names something without end.
    """
    parser = _parser(name)
    builder = _Builder(parser, wanted, name)
    finished, fed = False, 0
    while not finished:
        try:
            chunk = stream.read1(_CHUNK)  # type: ignore[attr-defined]
            finished = not chunk
            fed += len(chunk)
            parser.Parse(chunk, finished)
        except expat.ExpatError as error:
            yield from builder.take()
            raise BrokenSource(
                f"{name} breaks off at line {error.lineno}: {expat.ErrorString(error.code)}; "
                "fetch it again"
            ) from error
        except SourceError:
            yield from builder.take()
            raise
        yield from builder.take()
        if fed - parser.CurrentByteIndex > _MOST_CHARACTERS:  # expat keeps what is unfinished
            raise SourceError(f"{name} holds a tag or a comment without end; refused")


class _Builder:
    """Builds the tree of the record that is being read, and of nothing else."""

    def __init__(self, parser: expat.XMLParserType, wanted: frozenset[str], name: str) -> None:
        self._parser, self._wanted, self._name = parser, wanted, name
        self._done: list[XmlRecord] = []
        self._open: list[Element] = []
        self._texts: list[str] = []
        self._line = self._depth = self._elements = self._characters = 0
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def take(self) -> list[XmlRecord]:
        """The records finished since the last call."""
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise SourceError(f"{self._name} nests elements more than {_DEEPEST} deep; refused")
        local = _local(tag)
        if not self._open:
            if local not in self._wanted:
                return
            self._line = self._parser.CurrentLineNumber
            self._elements = self._characters = 0
        self._elements += 1
        element = Element(local, {_local(key): value for key, value in attributes.items()})
        if self._open:
            self._keep_text()
            if self._is_small:
                self._open[-1].append(element)
        self._texts.clear()
        self._open.append(element)

    def _text(self, text: str) -> None:
        if self._open:
            self._characters += len(text)
            if self._is_small:
                self._texts.append(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if not self._open:
            return
        self._keep_text()
        element = self._open.pop()
        if not self._open:
            self._done.append(XmlRecord(self._line, element if self._is_small else None))

    def _keep_text(self) -> None:
        """Text before the first child is the element's; offices' records mix no text and tags."""
        text = "".join(self._texts).strip()
        self._texts.clear()
        if text and self._open[-1].text is None:
            self._open[-1].text = text

    @property
    def _is_small(self) -> bool:
        return self._elements <= _MOST_ELEMENTS and self._characters <= _MOST_CHARACTERS


def _parser(name: str) -> expat.XMLParserType:
    def refuse(entity: str, *_: object) -> None:
        raise SourceError(
            f"{name} declares the XML entity {entity!r}: refused, since entities can blow a small "
            "file up until memory runs out or read other files; no office's file needs them"
        )

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = lambda *_: 0  # 0: an error, nothing is opened
    return parser


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
