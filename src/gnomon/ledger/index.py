"""An SQL index of ledgers: for looking things up across many of them, or from another program.

It is a copy: it may be deleted at any time, holds nothing that the log does not, and is never believed. What it
finds are ids, which `Ledger.get` reads from the signed log. One database may hold many ledgers, by their origin.
Only this module needs SQLAlchemy; the ledger itself works without it.
Source: SQLAlchemy Core 2; any of its URLs (SQLite by default, PostgreSQL).
Fails: closed; a locked or broken database raises StorageError, and neither the log nor the old index is touched.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gnomon.core.errors import SettingsError, StorageError
from gnomon.ledger.layout import INDEX
from gnomon.ledger.store import Ledger

try:
    import sqlalchemy as sql
except ModuleNotFoundError as error:
    raise StorageError("the index needs SQLAlchemy: pip install 'gnomon[eval]'; all else works without it") from error

TABLES = sql.MetaData()
HEADS = sql.Table(
    "gnomon_heads",
    TABLES,
    sql.Column("log", sql.String(200), primary_key=True),
    sql.Column("checkpoint", sql.Text, nullable=False),
)
RECORDS = sql.Table(
    "gnomon_records",
    TABLES,
    sql.Column("log", sql.String(200), primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("id", sql.String(64), nullable=False, index=True),
    sql.Column("kind", sql.Text, nullable=False, index=True),
    sql.Column("payload", sql.String(64), nullable=False),
    sql.Column("code", sql.String(64), nullable=False),
    sql.Column("settings", sql.String(64), nullable=False),
    sql.Column("recorded_at", sql.String(40), nullable=False),
)
LABELS = sql.Table(
    "gnomon_labels",
    TABLES,
    sql.Column("log", sql.String(200), primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("name", sql.String(200), primary_key=True),
    sql.Column("value", sql.Text, nullable=False),
)
PARENTS = sql.Table(
    "gnomon_parents",
    TABLES,
    sql.Column("log", sql.String(200), primary_key=True),
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("parent", sql.String(64), nullable=False, index=True),
)


def reindex(folder: Path, *, url: str | None = None, wait_s: float = 5.0) -> int:
    """Build the index of a ledger anew, in one transaction; gives the number of records.

    `url`: a database of SQLAlchemy's; FOLDER/index.sqlite by default. `wait_s`: how long to wait for a lock.
    """
    ledger = Ledger.read(folder)
    with _connection(folder, url, wait_s) as connection:
        _fill(connection, ledger)
    return len(ledger)


def find(folder: Path, kind: str, /, *, url: str | None = None, wait_s: float = 5.0, **labels: str) -> list[str]:
    """Ids of the records of a kind ("" = any) that carry all these labels, in log order.

    The index is brought up to date first if the ledger has moved on.
    """
    ledger = Ledger.read(folder)
    log = ledger.public.name
    with _connection(folder, url, wait_s) as connection:
        known = connection.execute(sql.select(HEADS.c.checkpoint).where(HEADS.c.log == log)).scalar()
        if known != ledger.checkpoint():
            _fill(connection, ledger)
        query = sql.select(RECORDS.c.id).where(RECORDS.c.log == log).order_by(RECORDS.c.position)
        if kind:
            query = query.where(RECORDS.c.kind == kind)
        for name, value in labels.items():
            here = sql.and_(LABELS.c.log == log, LABELS.c.position == RECORDS.c.position)
            query = query.where(sql.exists().where(here, LABELS.c.name == name, LABELS.c.value == value))
        return list(connection.execute(query).scalars())


@contextlib.contextmanager
def _connection(folder: Path, url: str | None, wait_s: float) -> Iterator[sql.Connection]:
    """A transaction on the index, with its tables made."""
    url = url or f"sqlite:///{(folder / INDEX).absolute()}"
    try:
        options = {"timeout": wait_s} if url.startswith("sqlite") else {}
        engine = sql.create_engine(url, connect_args=options)
    except (sql.exc.ArgumentError, ModuleNotFoundError) as error:
        raise SettingsError(f"'{url}' cannot be used as a database ({error}); write sqlite:///FILE") from error
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with engine.begin() as connection:
            TABLES.create_all(connection)
            yield connection
    except sql.exc.DBAPIError as error:
        reason = str(error.orig)
        what = (
            f"another program holds the database ({reason}); wait until it is done, then run it again"
            if "locked" in reason
            else f"the index cannot be used ({reason}); delete it, then run: gnomon ledger reindex {folder}"
        )
        raise StorageError(f"{shown}: {what}. The ledger itself is untouched") from error
    finally:
        engine.dispose()


def _fill(connection: sql.Connection, ledger: Ledger) -> None:
    """Replace all rows of one ledger."""
    log = ledger.public.name
    for table in (LABELS, PARENTS, RECORDS, HEADS):
        connection.execute(sql.delete(table).where(table.c.log == log))
    records, labels, parents = [], [], []
    for entry in ledger.entries():
        record, place = entry.record, {"log": log, "position": entry.index}
        names = ("id", "kind", "payload", "code", "settings")
        records.append({**place, **{n: getattr(record, n) for n in names}, "recorded_at": entry.recorded_at})
        labels += [{**place, "name": name, "value": value} for name, value in record.labels.items()]
        parents += [{**place, "number": n, "parent": parent} for n, parent in enumerate(record.parents)]
    for table, rows in ((RECORDS, records), (LABELS, labels), (PARENTS, parents)):
        if rows:
            connection.execute(sql.insert(table), rows)
    connection.execute(sql.insert(HEADS), [{"log": log, "checkpoint": ledger.checkpoint()}])
