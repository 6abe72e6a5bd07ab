"""What tables of every format have in common."""

from indexer.sources.containers import SourceFile
from indexer.sources.field_reader import FieldReader
from indexer.sources.labels import LabelReader
from indexer.sources.pictures import Pictures
from indexer.sources.source_rows import state_of


class Table:
    """One file of rows, and the pictures that they name; see `MarkSource` for its attributes."""

    def __init__(
        self, file: SourceFile, pictures: Pictures, *, strict: bool = False, labels: bool = False
    ) -> None:
        """Look at the file, without reading it.

        Args:
            file: the table.
            pictures: where pictures are.
            strict: reject a row of which anything cannot be read.
            labels: the rows name pictures, and need not be marks.

        Raises:
            SourceError: it cannot be looked at.
        """
        self.name = file.path.name
        self.state = state_of(file.path)
        self.last_position = 0
        self.amends = False
        self.warnings: list[str] = []
        self.broken: list[str] = []
        self._file = file
        self._pictures, self._strict, self._labels = pictures, strict, labels

    def _reader(self) -> FieldReader:
        if self._labels:
            return LabelReader(self._pictures)
        return FieldReader(self._pictures, strict=self._strict)
