"""XML of any size as a stream of small trees, one a record; safe against hostile files.

The parser is expat with every door shut: a document that declares an entity is refused before
anything is expanded (billion laughs, quadratic blow-up), nothing outside of the file is ever
opened, and what one record may hold in memory is bounded.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element
from xml.parsers import expat

from indexer.errors import BrokenSource, SourceError
from indexer.sources.source_rows import HOPELESS

_ODD_BYTES = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]
_CHUNK = 2**16
_MOST_ELEMENTS = 200_000  # a record with 45 classes in 24 languages has some thousands
_MOST_CHARACTERS = 16 * 2**20
_DEEPEST = 500
_HEAD_ELEMENTS = 400
# Records of persons and designs, which come in deliveries like those of marks.
_OTHER_RECORDS = ("Applicant", "Design", "Hague", "Holder", "Representative")
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>?]*?\bencoding\s*=\s*["']([A-Za-z][\w.-]*)["']""")
_DAMAGE = "\ufffd"  # what a codec puts in the place of bytes that are no letter


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

    def has_namespace(self, *words: str) -> bool:
        """Whether a namespace of the document contains one of these words."""
        return any(word in namespace for namespace in self.namespaces for word in words)

    def is_delivery(self, root: str, *words: str) -> bool:
        """Whether it is an office's delivery, of marks or of nothing at all: a quiet week's.

        Args:
            root: what the outermost element is called.
            words: one of them stands in a namespace.
        """
        is_of_others = any(name.startswith(_OTHER_RECORDS) for name in self.names)
        return self.root == root and self.has_namespace(*words) and not is_of_others


def read_head(head: bytes, name: str) -> XmlHead | None:
    """Look at the first bytes of a file; None if they are no XML.

    Raises:
        SourceError: the document declares entities, or an encoding that nobody knows.
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

    document = _Document(name, head)
    document.parser.StartElementHandler = start
    try:
        document.parse(head, is_last=False)
    except BrokenSource:
        pass  # told when the records are read
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
        SourceError: it declares entities or an encoding that nobody knows, or nests, names or
            says something without end.
    """
    chunk = stream.read1(_CHUNK)  # type: ignore[attr-defined]
    document = _Document(name, chunk)
    builder = _Builder(document.parser, wanted, name)
    is_last = False
    while not is_last:
        is_last = not chunk
        try:
            document.parse(chunk, is_last=is_last)
            if not is_last:
                chunk = stream.read1(_CHUNK)  # type: ignore[attr-defined]
        except expat.ExpatError as error:
            yield from builder.take()
            advice = "fetch it again"
            if error.code == _ODD_BYTES:
                advice += "; if it stays so, its bytes are not of the encoding that it declares"
            raise BrokenSource(
                f"{name} breaks off at line {error.lineno}: {expat.ErrorString(error.code)}; "
                f"{advice}"
            ) from error
        except SourceError:
            yield from builder.take()
            raise
        yield from builder.take()
        if document.unfinished > _MOST_CHARACTERS:  # expat keeps what is unfinished
            raise SourceError(f"{name} holds a tag or a comment without end; refused")
        if document.fed - builder.began > HOPELESS:
            raise SourceError(
                f"{name}, line {builder.line}: a record or text longer than "
                f"{HOPELESS // 2**20} MiB: this is no file of marks"
            )


class _Document:
    """Bytes on their way to expat.

    By itself it knows no encoding of several bytes a letter but UTF-8 and UTF-16: documents in
    others, such as Shift_JIS, are recoded.

    Attributes:
        parser: to be given handlers.
        fed: bytes that it was given.
    """

    def __init__(self, name: str, head: bytes) -> None:
        codec = _codec(head)
        self.parser = _parser(name, None if codec is None else "utf-8")
        self._name, self._codec, self.fed = name, codec, 0
        self._decoder = None
        if codec is not None and codec != "utf-8":
            self._decoder = codecs.getincrementaldecoder(codec)("replace")

    @property
    def unfinished(self) -> int:
        """Bytes that wait for the end of a tag or a comment."""
        return self.fed - self.parser.CurrentByteIndex

    def parse(self, chunk: bytes, *, is_last: bool) -> None:
        """Take the next bytes.

        Raises:
            ExpatError: they are no XML.
            BrokenSource: they are not of the encoding that the document declares.
            SourceError: nobody knows that encoding.
        """
        damage = ""
        if self._decoder is not None:
            text, damage, _ = self._decoder.decode(chunk, is_last).partition(_DAMAGE)
            chunk = text.encode()
        self.fed += len(chunk)
        try:
            self.parser.Parse(chunk, is_last and not damage)
        except (LookupError, ValueError) as error:
            raise SourceError(f"{self._name} cannot be decoded: {error}") from error
        if damage:
            raise BrokenSource(
                f"{self._name} holds bytes at line {self.parser.CurrentLineNumber} that are not "
                f"{self._codec}, as it says it is; fetch it again"
            )


class _Builder:
    """Builds the tree of the record that is being read, and of nothing else.

    Attributes:
        line, began: where the record that is open began, or else the last tag: line, bytes before.
    """

    def __init__(self, parser: expat.XMLParserType, wanted: frozenset[str], name: str) -> None:
        self._parser, self._wanted, self._name = parser, wanted, name
        self._done: list[XmlRecord] = []
        self._open: list[Element] = []
        self._texts: list[str] = []
        self._depth = self._elements = self._characters = self.began = 0
        self.line = 1
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
            self._note_place()
            if local not in self._wanted:
                return
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
            self._note_place()
            return
        self._keep_text()
        element = self._open.pop()
        if not self._open:
            self._done.append(XmlRecord(self.line, element if self._is_small else None))
            self._note_place()

    def _note_place(self) -> None:
        self.line, self.began = self._parser.CurrentLineNumber, self._parser.CurrentByteIndex

    def _keep_text(self) -> None:
        """Text before the first child is the element's; offices' records mix no text and tags."""
        text = "".join(self._texts).strip()
        self._texts.clear()
        if text and self._open[-1].text is None:
            self._open[-1].text = text

    @property
    def _is_small(self) -> bool:
        return self._elements <= _MOST_ELEMENTS and self._characters <= _MOST_CHARACTERS


def _codec(head: bytes) -> str | None:
    """What to read a document as that begins so, where expat cannot find it out by itself."""
    declared = _DECLARED.match(head.removeprefix(codecs.BOM_UTF8))
    if declared is None:
        return None
    name = declared[1].decode("ascii").lower()
    if name.startswith("utf-16"):
        return "utf-8"  # .NET declares UTF-16 and writes UTF-8; real UTF-16 is not read this far
    try:
        expat.ParserCreate().Parse(declared[0] + b"?><r/>", True)
    except (LookupError, UnicodeError, expat.ExpatError):
        return None  # parsing the document says what is wrong
    except ValueError:  # several bytes a letter
        return name
    return None


def _parser(name: str, encoding: str | None) -> expat.XMLParserType:
    def refuse(entity: str, *_: object) -> None:
        raise SourceError(
            f"{name} declares the XML entity {entity!r}: refused, since entities can blow a small "
            "file up until memory runs out or read other files; no office's file needs them"
        )

    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = lambda *_: 0  # 0: an error, nothing is opened
    return parser


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
