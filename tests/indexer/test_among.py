"""Numbers that are one parameter of a statement."""

import sqlalchemy as sa

from indexer.register.among import among


def test_rows_are_looked_up_by_their_numbers_however_many_there_are():
    table = sa.Table("t", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True))
    wanted = sa.select(table.c.number).where(among(table.c.number, "numbers"))
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"number": one} for one in range(10)])
        for asked, found in (([], []), ([3], [3]), ([7, 3, 7, 99], [3, 7])):
            assert connection.scalars(wanted, {"numbers": asked}).all() == found
        compiled = str(wanted.compile(connection))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ("[1]",)).all()
    engine.dispose()
    assert plan[0].detail.startswith("SEARCH t USING INTEGER PRIMARY KEY")
