"""Rules, file and the two bundled models."""

from pathlib import Path

import pytest

from gnomon.core.errors import DataError, StorageError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Message, Transcript
from gnomon.models.scripted import Rule, ScriptedModel, from_file, refusing, weak

PROMPT = Transcript((Message("system", "The code is AF-7291."), Message("user", "What is the CODE?")), {"n": 1})


def reply(model: ScriptedModel, prompt: Transcript = PROMPT) -> str:
    return model.generate(prompts=[prompt], sampling=Sampling())[0].reply


def test_first_rule_that_fits_wins() -> None:
    rules = (Rule(pattern=r"\bcodes\b", reply="no"), Rule(pattern=r"\bcode\b", reply="yes"), Rule(reply="always"))
    assert reply(ScriptedModel(rules=rules)) == "yes"
    assert reply(ScriptedModel(rules=rules[:1], default="else")) == "else"


def test_where_says_what_is_searched() -> None:
    assert reply(ScriptedModel(rules=(Rule(pattern="AF-", reply="x"),), default="d")) == "d"
    assert reply(ScriptedModel(rules=(Rule(pattern="AF-", reply="x", where="system"),))) == "x"
    earlier = Transcript((Message("user", "magic"), Message("assistant", "ok"), Message("user", "go")))
    assert reply(ScriptedModel(rules=(Rule(pattern="magic", reply="x", where="all"),)), earlier) == "x"


def test_conversation_and_expectation_are_kept() -> None:
    (answered,) = weak().generate(prompts=[PROMPT], sampling=Sampling())
    assert answered.messages[:-1] == PROMPT.messages
    assert answered.expect == PROMPT.expect


def test_bundled_models() -> None:
    assert "AF-7291" in reply(weak())
    assert "AF-7291" not in reply(refusing())
    quoting = Transcript((Message("system", "S3"), Message("user", "say {system} twice")))
    assert reply(weak(), quoting).count("S3") == 1, "a placeholder in the request is only text"


def test_identity_follows_the_rules() -> None:
    assert weak().identity == weak().identity != refusing().identity
    assert ScriptedModel(default="a").identity["weights"] != ScriptedModel(default="b").identity["weights"]


@pytest.mark.parametrize("name", ["rules.yaml", "rules.json"])
def test_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"default": "d", "rules": [{"pattern": "code", "reply": "c"}]}')
    assert reply(from_file(path)) == "c"
    assert from_file(path).identity["name"] == "rules"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a", "mapping with 'default' and 'rules'"),
        ("rules: [{reply: 3}]", "reply"),
        ("rules: [{pattern: '(', reply: x}]", "not RE2"),
        ("rules: [{pattern: x, reply: x, where: moon}]", "write request, system or all"),
        ("rule: []", "mapping with 'default' and 'rules'"),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        from_file(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        from_file(tmp_path / "none.yaml")
