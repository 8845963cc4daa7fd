import sqlite3

import pytest
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from gnomon.core.errors import SettingsError, StorageError
from gnomon.ledger import Ledger, index
from gnomon.ledger.verify import failures, verify


def test_it_finds_what_a_scan_finds(evidence):
    ledger = Ledger.read(evidence)
    assert index.reindex(evidence) == 14
    for kind, labels in [("scores", {}), ("", {"subject": "after"}), ("scores", {"subject": "after"}), ("none", {})]:
        assert index.find(evidence, kind, **labels) == [r.id for r in ledger.find(kind, **labels)]
    assert index.find(evidence, "scores", subject="after", set="train") == []


def test_it_can_be_deleted_broken_or_old(evidence):
    scores = index.find(evidence, "scores")
    (evidence / "index.sqlite").unlink()
    assert index.find(evidence, "scores") == scores
    with Ledger.open(evidence) as ledger:
        new = ledger.append(kind="scores", payload=1)
    assert index.find(evidence, "scores") == [*scores, new.id]
    (evidence / "index.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="delete it, then run"):
        index.find(evidence, "scores")
    assert failures(verify(evidence)) == []


def test_a_locked_database_is_a_clear_message_and_nothing_is_lost(evidence):
    index.reindex(evidence)
    other = sqlite3.connect(evidence / "index.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with Ledger.open(evidence) as ledger:
        record = ledger.append(kind="more", payload=1)  # the log does not wait for the index
    with pytest.raises(StorageError, match="another program holds the database"):
        index.reindex(evidence, wait_s=0.05)
    with pytest.raises(StorageError, match="The ledger itself is untouched"):
        index.find(evidence, "more", wait_s=0.05)
    other.execute("ROLLBACK")
    other.close()
    assert failures(verify(evidence)) == []
    assert index.find(evidence, "more") == [record.id]


def test_an_interrupted_rebuild_leaves_the_old_index(evidence, monkeypatch):
    index.reindex(evidence)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "checkpoint", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            index.reindex(evidence)
    with sqlite3.connect(evidence / "index.sqlite") as database:
        assert database.execute("select count(*) from gnomon_records").fetchone() == (14,)
    database.close()


def test_one_database_for_many_ledgers(evidence, tmp_path):
    url = f"sqlite:///{tmp_path / 'all.sqlite'}"
    with Ledger.open(tmp_path / "other") as other:
        record = other.append(kind="scores", payload=1)
    assert index.reindex(evidence, url=url) == 14
    assert index.find(tmp_path / "other", "scores", url=url) == [record.id]
    assert len(index.find(evidence, "scores", url=url)) == 4
    assert not (evidence / "index.sqlite").exists()


def test_parents_are_in_it(evidence):
    index.reindex(evidence)
    ledger = Ledger.read(evidence)
    engine = sql.create_engine(f"sqlite:///{evidence / 'index.sqlite'}")
    with engine.connect() as connection:
        rows = connection.execute(sql.select(index.PARENTS).order_by(index.PARENTS.c.position, index.PARENTS.c.number))
        found = [(row.position, row.parent) for row in rows]
    engine.dispose()
    assert found == [(e.index, p) for e in ledger.entries() for p in e.record.parents]


def test_the_tables_compile_for_postgresql():
    for table in index.TABLES.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))


def test_a_database_that_cannot_be_used(evidence):
    with pytest.raises(SettingsError, match="write sqlite:///FILE"):
        index.reindex(evidence, url="not a database")
