"""Whether a column has one of some whole numbers, in a statement that is the same for any count.

`in_` writes a parameter for each number: SQLAlchemy puts such a statement together anew for each
question, and the database reads it anew for each count. Here the numbers are one parameter.
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


class _Numbers(TypeDecorator[Sequence[int]]):
    """Whole numbers: an array in PostgreSQL, a text in JSON in SQLite."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return ARRAY(sa.BigInteger()) if dialect.name == "postgresql" else sa.Text()

    def process_bind_param(self, value: Sequence[int] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else json.dumps(value)


class _Among(FunctionElement[bool]):
    name = "among"
    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: SQLAlchemy would write ``= 1`` behind it, and SQLite would read all rows."""
        return self


def among(column: sa.ColumnElement[int], name: str) -> sa.ColumnElement[bool]:
    """Whether a column has one of the numbers that a statement is executed with under a name."""
    return _Among(column, sa.bindparam(name, type_=_Numbers()))


@compiles(_Among, "sqlite")
def _in_sqlite(element: _Among, compiler: SQLCompiler, **told: Any) -> str:
    column, numbers = element.clauses
    one = sa.func.json_each(numbers).table_valued("value").c.value
    return compiler.process(column.in_(sa.select(one)), **told)


@compiles(_Among, "postgresql")
def _in_postgresql(element: _Among, compiler: SQLCompiler, **told: Any) -> str:
    column, numbers = element.clauses
    return compiler.process(column == sa.func.any(numbers), **told)
