"""Values that are one parameter of a statement."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.register.among import among, among_named

TABLE = sa.Table(
    "among_of_test",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(20), unique=True),
)
ODD_NAME = "Zoë ☃ 7's \"\\"


@pytest.fixture
def connection(register_url: str) -> Iterator[Connection]:
    """To a table of 5,000 rows."""
    engine = sa.create_engine(register_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        TABLE.create(connection)
        names = [ODD_NAME, *(f"name {number}" for number in range(1, 5_000))]
        rows = [{"number": number, "name": name} for number, name in enumerate(names)]
        connection.execute(TABLE.insert(), rows)
        connection.exec_driver_sql("ANALYZE among_of_test")
        yield connection
    engine.dispose()


def test_rows_are_looked_up_by_their_values_however_many_there_are(connection: Connection) -> None:
    for asked, found in (([], []), ([3], [3]), ([7, 3, 7, 9_999], [3, 7]), (range(4_000),) * 2):
        wanted = sa.select(TABLE.c.number).order_by(TABLE.c.number)
        expected = list(found)
        assert connection.scalars(wanted.where(among(TABLE.c.number, asked))).all() == expected
        named = wanted.where(among_named(TABLE.c.number, "numbers"))
        assert connection.scalars(named, {"numbers": list(asked)}).all() == expected
    names = [ODD_NAME, "name 7", "name 07", ""]
    found = connection.scalars(sa.select(TABLE.c.name).where(among(TABLE.c.name, names)))
    assert sorted(found) == sorted([ODD_NAME, "name 7"])


def test_two_conditions_of_one_statement_have_values_of_their_own(connection: Connection) -> None:
    both = among(TABLE.c.number, [3, 4, 5]), among(TABLE.c.name, ["name 4", "name 5", "name 6"])
    deleted = sa.delete(TABLE).where(*both).returning(TABLE.c.number)
    assert sorted(connection.scalars(deleted)) == [4, 5]


@pytest.mark.parametrize(("column", "values"), [("number", [3, 4]), ("name", ["name 3", ODD_NAME])])
def test_the_database_looks_them_up_by_an_index(
    connection: Connection, column: str, values: list[int] | list[str]
) -> None:
    told = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    sa.event.listen(
        connection,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, values, *_: (f"{told} {statement}", values),
        retval=True,
    )
    wanted = sa.select(TABLE.c.number).where(among(TABLE.c[column], values))
    plan = str(connection.execute(wanted).all())
    assert "SEARCH among_of_test" in plan or "Index" in plan
    assert "Seq Scan" not in plan
