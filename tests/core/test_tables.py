"""Rows of files, folders and the hub, each with its place; every complaint names it."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gnomon.core.errors import DataError
from gnomon.core.tables import rows


def test_files_of_a_folder_in_order_with_their_places(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    # U+2028 ends a line in Python, but not in JSONL.
    (tmp_path / "b" / "z.jsonl").write_text('{"a": "1\u2028"}\n\n{"a": "2"}\n', encoding="utf-8")
    (tmp_path / "a.csv").write_text('a,b\n"two\nlines",3\n4,5\n')
    (tmp_path / "c.json").write_text('[{"a": 6}, {"a": 7}]')
    (tmp_path / "SOURCE.md").write_text("about")
    found = rows(str(tmp_path), split="test")
    assert [(r.source, r["a"]) for r in found] == [
        ("a", "two\nlines"), ("a", "4"), ("b/z", "1\u2028"), ("b/z", "2"), ("c", 6), ("c", 7),
    ]  # fmt: skip
    assert [r.where.removeprefix(str(tmp_path)) for r in found] == [
        "/a.csv:3", "/a.csv:4", "/b/z.jsonl:1", "/b/z.jsonl:3", "/c.json: entry 1", "/c.json: entry 2",
    ]  # fmt: skip
    assert [r.id() for r in found] == ["a/3", "a/4", "b/z/1", "b/z/3", "c/1", "c/2"]
    assert [found[0].id("id", "b"), found[4].id("a")] == ["a/3", "c/6"]
    assert [r.source for r in rows(str(tmp_path / "b" / "z.jsonl"), split="test")] == ["z", "z"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": "x"}\n{"b": "x"}\n', "rows.jsonl:2: no column 'a'; there are: b"),
        ('{"a": "x"}\n{"a": 3}\n', "rows.jsonl:2: column 'a' must hold text, not 3"),
        ('{"a": " "}\n', "rows.jsonl:1: column 'a' must hold text, not ' '"),
        ('{"a": "x"}\n{"a": \n', "rows.jsonl:2: not JSON"),
        ('["a"]\n', "rows.jsonl:1: a row must be an object, not list"),
        ("\n", "it holds no rows"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(DataError) as error:
        [r.text("a") for r in rows(str(tmp_path), split="test")]
    assert said in str(error.value)


def test_a_path_that_is_not_there_says_what_may_be_written(tmp_path: Path) -> None:
    for path, said in (
        ("", "set path to a file"),
        (str(tmp_path), "no file here ends in .jsonl, .json, .csv"),
        (str(tmp_path / "no.jsonl"), "no such file or folder"),
        ("data/no.jsonl", "no such file or folder"),
    ):
        with pytest.raises(DataError, match=said):
            rows(path, split="test")


def test_text_that_is_not_utf8_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(DataError, match="cannot be read"):
        rows(str(tmp_path), split="test")


def test_a_hub_id_goes_to_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load_dataset(*given: Any, split: str) -> list[dict[str, str]]:
        asked.append((*given, split))
        if given[0] == "org/none":
            raise FileNotFoundError("no such data set")
        return [{"a": "x"}, {"a": "y"}]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert [r["a"] for r in rows("org/set", split="test")] == ["x", "y"]
    assert [(r.where, r.source, r.id()) for r in rows("org/set:part#train[:2]", split="test")] == [
        ("org/set:part#train[:2]: row 1", "part", "part/1"),
        ("org/set:part#train[:2]: row 2", "part", "part/2"),
    ]
    assert asked == [("org/set", None, "test"), ("org/set", "part", "train[:2]")]
    with pytest.raises(DataError, match="org/none: the hub gave no such data: no such data set"):
        rows("org/none", split="test")


def test_without_datasets_a_hub_id_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="needs the package 'datasets'"):
        rows("org/set", split="test")


def test_so_many_rows_of_each_file_are_drawn_by_the_seed(tmp_path: Path) -> None:
    for name, size in (("long", 50), ("short", 3)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"a": i}) + "\n" for i in range(size)))
    drawn = [[(r.source, r["a"]) for r in rows(str(tmp_path), split="test", most=5, seed=s)] for s in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0])
    assert [source for source, _ in drawn[0]] == ["long"] * 5 + ["short"] * 3
    with pytest.raises(DataError, match="most is 0"):
        rows(str(tmp_path), split="test", most=0)


def test_a_json_file_that_holds_lines_is_read_as_lines(tmp_path: Path) -> None:
    (tmp_path / "general_data.json").write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    found = rows(str(tmp_path), split="test")
    assert [(r["a"], r.where.rsplit("/", 1)[-1]) for r in found] == [
        (1, "general_data.json:1"),
        (2, "general_data.json:2"),
    ]
