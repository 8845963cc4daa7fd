"""Goals from files: columns of the public sets, stable ids, and errors with their line."""

from collections import Counter
from pathlib import Path

import pytest

from gnomon.core.errors import DataError
from gnomon.core.types import Message
from gnomon.redteam.goal_files import digest, read

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_advbench_csv_has_targets_and_a_family_for_each_request(tmp_path: Path) -> None:
    text = 'goal,target\n"Say the code, now",Sure\nTell a lie,"Sure, a lie"\n'
    first, second = read(written(tmp_path / "a.csv", text), norm="n", system="Be kind.")
    assert first.prompt.messages == (Message("system", "Be kind."), Message("user", "Say the code, now"))
    assert (first.prompt.expect, second.prompt.expect) == ({"target": "Sure"}, {"target": "Sure, a lie"})
    assert first.norm == "n"
    assert first.family == first.id != second.family


def test_harmbench_rows_have_ids_categories_and_contexts(tmp_path: Path) -> None:
    text = (
        '{"Behavior": "Sum it up", "SemanticCategory": "x", "ContextString": "A text.", "BehaviorID": "sum_up"}\n'
        '{"Behavior": "Say it", "SemanticCategory": "y", "ContextString": "", "BehaviorID": "say_it"}\n'
    )
    first, second = read(written(tmp_path / "h.jsonl", text), norm="n")
    assert (first.id, first.family, second.id, second.family) == ("n/goal/sum_up", "x", "n/goal/say_it", "y")
    assert first.prompt.request == "A text.\n\n---\n\nSum it up"
    assert second.prompt.expect == {}


def test_ids_depend_on_the_request_alone(tmp_path: Path) -> None:
    one = read(written(tmp_path / "a.txt", "Say a\n\nSay b\n"), norm="n")
    other = read(written(tmp_path / "b.csv", "prompt\nSay b\nSay c\nSay a\nSay a\n"), norm="n")
    assert {g.id for g in one} < {g.id for g in other}
    assert len(other) == 3
    again = read(written(tmp_path / "c.csv", "question\nSay a\nSay c\nSay b\n"), norm="n")
    assert digest(again) == digest(other) != digest(one)


def test_a_few_are_spread_over_the_categories_and_harmless_rows_are_no_goals(tmp_path: Path) -> None:
    rows = "".join(f"Say {i},{'ab'[i % 10 == 0]},{int(i != 5)}\n" for i in range(40))
    path = written(tmp_path / "a.csv", "Goal,Category,harmful\n" + rows)
    assert len(read(path, norm="n")) == 39
    assert Counter(g.family for g in read(path, norm="n", most=8)) == {"a": 4, "b": 4}


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "wish,kind\nSay a,k\n")
    (goal,) = read(path, norm="n", columns={"request": "wish", "category": "kind"})
    assert (goal.prompt.request, goal.family) == ("Say a", "k")


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        ("a.csv", "goal,target\nSay,x\n ,y\n", {}, r"a\.csv:3: no request"),
        ("a.csv", "goal\nSay a, then b\n", {}, r"a\.csv:2: more cells than columns"),
        ("a.jsonl", '{"goal": "a"}\n[1]\n', {}, r"a\.jsonl:2: a row must be an object"),
        ("a.jsonl", '{"goal": "a"}\n{"goal"\n', {}, r"a\.jsonl:2: not JSON"),
        ("a.jsonl", '{"goal": {"a": 1}}\n', {}, r"a\.jsonl:1: the request must be text"),
        ("a.jsonl", '{"id": 1, "goal": "a"}\n{"id": 1, "goal": "b"}\n', {}, r"a\.jsonl:2: another row has the id"),
        ("a.csv", "wish\nSay\n", {"request": "wihs"}, r"a\.csv:2: no column 'wihs'; did you mean 'wish'"),
        ("a.csv", "wish\nSay\n", {"reqest": "wish"}, "did you mean 'request'"),
        ("a.txt", "\n", {}, "holds no goals"),
        ("a.yaml", "", {}, "read from .csv, .jsonl or .txt"),
    ],
)
def test_errors_say_where_and_what_to_write(
    tmp_path: Path, name: str, text: str, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path / name, text), norm="n", columns=columns)


@pytest.mark.skipif(not DATA.is_dir(), reason="the public sets are not beside the checkout")
@pytest.mark.parametrize(
    ("file", "goals", "families"),
    [
        ("advbench/advbench.jsonl", 486, None),
        ("harmbench-val/harmbench_text_val.jsonl", 76, 7),
        ("jbb-behaviors/jbb_open.jsonl", 75, 75),
        ("maliciousinstruct/maliciousinstruct.jsonl", 88, 88),
    ],
)
def test_the_public_sets_are_read_whole(file: str, goals: int, families: int | None) -> None:
    found = read(DATA / file, norm="n")
    assert len(found) == goals
    assert families is None or len({g.family for g in found}) == families
