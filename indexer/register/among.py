"""Whether a column has one of some values, in a statement that is the same for any count.

`in_` writes a parameter for each value: SQLAlchemy puts such a statement together anew for each
question, the database reads it anew for each count, and there is a most that it takes. Here all
values are one parameter.
"""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class _Values(TypeDecorator[Sequence[Any]]):
    """Whole numbers or texts: an array in PostgreSQL, a text in JSON in SQLite."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, are_texts: bool) -> None:
        super().__init__()
        self.are_texts = are_texts

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return sa.Text()
        return ARRAY(sa.Text() if self.are_texts else sa.BigInteger())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else json.dumps(value)


class _Among(FunctionElement[bool]):
    name = "among"
    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: SQLAlchemy would write ``= 1`` behind it, and SQLite would read all rows."""
        return self


def among(column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Whether a column of whole numbers or texts has one of some values."""
    asked = sa.bindparam(None, list(values), type_=_type_for(column), unique=True)
    return _Among(column, asked)


def among_named(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """The same in a statement made once, which is executed with a list of values under a name."""
    return _Among(column, sa.bindparam(name, type_=_type_for(column)))


def _type_for(column: sa.ColumnElement[Any]) -> _Values:
    return _Values(isinstance(column.type, sa.String))


@compiles(_Among, "sqlite")
def _in_sqlite(element: _Among, compiler: SQLCompiler, **told: Any) -> str:
    column, values = element.clauses
    one = sa.func.json_each(values).table_valued("value").c.value
    return compiler.process(column.in_(sa.select(one)), **told)


@compiles(_Among, "postgresql")
def _in_postgresql(element: _Among, compiler: SQLCompiler, **told: Any) -> str:
    column, values = element.clauses
    return compiler.process(column == sa.func.any(values), **told)
