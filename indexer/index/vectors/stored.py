"""Arrays under names of their own, for a snapshot."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

from numpy.typing import NDArray


class Stored:
    """A dataclass of arrays that go into a snapshot, and come back from it, as they are."""

    prefix: ClassVar[str]  # of the names

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays."""
        return {name: getattr(self, field) for field, name in self._names().items()}

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        return cls(**{field: arrays[name] for field, name in cls._names().items()})

    @classmethod
    def _names(cls) -> dict[str, str]:
        return {field.name: f"{cls.prefix}{field.name}" for field in fields(cls)}  # type: ignore[arg-type]
