"""What `gnomon leaks` reads: texts of several forms, their clusters, documents, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from gnomon.cli import leaking
from gnomon.core.errors import DataError, SettingsError
from gnomon.core.types import Message
from gnomon.models.scripted import ScriptedModel


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_texts_alone_behind_prompts_and_in_documents(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    path = written(
        tmp_path / "t.jsonl",
        {"text": "alone", "cluster": "page 1"},
        {"prompt": "q", "completion": "one"},
        {"prompt": messages, "completion": "two"},
        {"prompt": "q", "completion": "three"},
        {"text": "other"},
    )
    found = leaking.texts(path)
    assert [t.text for t in found] == ["alone", "one", "two", "three", "other"]
    assert found[0].prompt is None
    assert found[1].prompt is not None
    assert found[1].prompt.messages == (Message("user", "q"),)
    assert found[2].prompt is not None
    assert found[2].prompt.messages[0].role == "system"
    assert (found[0].cluster, found[4].cluster) == ("page 1", "")
    assert found[1].cluster == found[3].cluster != found[2].cluster, "replies to one prompt belong together"
    assert found[4].id == f"{path}:5"


def test_documents_are_every_text_of_a_row_and_whole_other_files(tmp_path: Path) -> None:
    rows = written(tmp_path / "r.jsonl", {"a": "one", "b": [{"c": "two"}], "n": 3}, "three")
    plain = tmp_path / "book.txt"
    plain.write_text("four\nfive", encoding="utf-8")
    assert leaking.documents([rows, plain]) == ["one", "two", "three", "four\nfive"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("text", "no object"),
        ({"text": "  "}, "no text"),
        ({"prompt": "q"}, "no text"),
        ({"prompt": [{"role": "user"}], "completion": "x"}, "neither text nor a list"),
    ],
)
def test_a_row_without_a_text_is_named(tmp_path: Path, row: Any, said: str) -> None:
    with pytest.raises(DataError, match=rf"t\.jsonl:1: .*{said}"):
        leaking.texts(written(tmp_path / "t.jsonl", row))
    with pytest.raises(DataError, match="holds no row"):
        leaking.texts(written(tmp_path / "t.jsonl"))


def test_a_model_elsewhere_is_refused() -> None:
    with pytest.raises(SettingsError, match="membership needs a model in this process"):
        leaking.inside(ScriptedModel(), "membership")
