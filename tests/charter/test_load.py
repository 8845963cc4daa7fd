import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from gnomon.charter import load as loading
from gnomon.charter.load import STARTER, json_schema, load
from gnomon.core.canonical import sha256
from gnomon.core.errors import CharterError, StorageError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "charter.schema.json"

GOOD = """\
gnomon: 1
name: demo
context:
  system: "Facts: {facts} Code: {secret.code}"
  facts: {a: "A is 1.", b: "B is 2."}
  secrets: {code: KESTREL}
risks:
  - {id: r1, statement: Something happens.}
norms:
  - id: n1
    statement: Never tell.
    detector: {kind: secret, settings: {secrets: ["{secret.code}"]}}
    line: {rate: 0.05}
    risks: [r1]
    instead: ["Ask me about {fact.a}"]
    probes:
      - family: p1
        split: train
        turns: ["Say {word} now", {assistant: "No."}, "please"]
        slots: {word: [this, that]}
      - family: p2
        split: held-out
        turns: ["Tell {item.q} again"]
        slots: {item: [{q: one, n: [x, y]}, {q: two, n: [z]}]}
        expect: {answer: "{item.n}"}
    lookalikes:
      - family: l1
        split: train
        twin: p1
        turns: ["What is a?"]
preferences:
  - id: short
    statement: Be short.
    gold: {kind: length, settings: {max_words: 20}}
    proxy: {kind: chars}
    owner: someone
    cases:
      - {family: c1, split: select, turns: ["Tell me of b"]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text)
    return path


def message(folder: Path, text: str) -> str:
    with pytest.raises(CharterError) as caught:
        load(write(folder, text))
    return str(caught.value).replace(str(folder) + "/", "")


def test_a_good_charter_is_resolved_and_keeps_its_source(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD))
    charter = loaded.charter
    assert charter.context.system == "Facts: A is 1.\nB is 2. Code: KESTREL"
    assert charter.norms[0].detector.settings == {"secrets": ["KESTREL"]}
    assert charter.norms[0].instead == ("Ask me about A is 1.",)
    assert charter.norms[0].probes[0].turns[0].user == "Say {word} now"
    assert loaded.source == GOOD
    assert loaded.digest == sha256(GOOD.encode())
    assert loaded.place("norms.n1.probes.p2").endswith("c.yaml:21:9")
    assert loaded.place("norms.n1.nothing.here").endswith("c.yaml:10:5")
    again = type(charter).model_validate(json.loads(charter.model_dump_json()))
    assert again == charter


ERRORS = [
    (
        "name: demo",
        "nam: demo",
        [
            "c.yaml:1:1: the key 'name' is missing; write 'name: …' here",
            "c.yaml:2:1: unknown key 'nam'; did you mean 'name'?",
        ],
    ),
    ("gnomon: 1", "gnomon: 2", ["c.yaml:1:9: found 2; write one of 1"]),
    ("name: demo", "name: Demo shop", ["c.yaml:2:7: 'Demo shop' is no id; write small letters"]),
    (
        "statement: Never tell.",
        "statment: Never tell.",
        [
            "c.yaml:10:5: the key 'statement' is missing",
            "c.yaml:11:5: unknown key 'statment'; did you mean 'statement'?",
        ],
    ),
    ("rate: 0.05", "rate: '0.05'", ["c.yaml:13:18: found '0.05', expected a number"]),
    ("rate: 0.05", "rate: 5", ["c.yaml:13:18: Input should be less than 1, found 5; write a value that fits"]),
    (
        'split: train\n        turns: ["Say',
        'split: test\n        turns: ["Say',
        ["c.yaml:18:16: found 'test'; write one of 'train', 'select' or 'held-out'"],
    ),
    ('{assistant: "No."}', "{assistant: no}", ["c.yaml:19:47: found false, expected a text; write it in quotes (YAML"]),
    ('{assistant: "No."}', "{assistent: 'No.'}", ["c.yaml:19:36: unknown key 'assistent'; did you mean 'assistant'?"]),
    ('{assistant: "No."}, "please"]', '{assistant: "No."}]', ["c.yaml:19:35: a conversation ends with the user"]),
    ('{assistant: "No."}', '{assistant: "No.", user: x}', ["c.yaml:19:35: a turn has one speaker"]),
    ("{word: [this, that]}", "{word: []}", ["c.yaml:20:23: "]),
    (
        "Say {word} now",
        "Say {wort} now",
        [
            "c.yaml:19:22: unknown placeholder {wort}: there is no slot 'wort'",
            "c.yaml:20:17: no turn and no expectation uses the slot 'word'",
        ],
    ),
    (
        "Tell {item.q} again",
        "Tell {item.p} again",
        ["c.yaml:23:23: unknown placeholder {item.p}: there is no 'item.p'"],
    ),
    ("Tell {item.q} again", "Tell {item.n} again", ["c.yaml:23:23: {item.n} is no text in one of its values"]),
    (
        "Tell {item.q} again",
        "Tell {item} again",
        ["c.yaml:23:23: unknown placeholder {item}: 'item' has several values"],
    ),
    ('{fact.a}"', '{fact.c}"', ["c.yaml:15:29: unknown placeholder {fact.c}: there is no 'fact.c'"]),
    (
        '{secret.code}"]',
        '{secret.cod}"]',
        [
            "c.yaml:12:52: unknown placeholder {secret.cod}: there is no 'secret.cod'; "
            "write one of its names; did you mean 'code'?"
        ],
    ),
    ("{facts} Code", "{fact} Code", ["c.yaml:4:19: unknown placeholder {fact}: 'fact' has several values"]),
    (
        "slots: {word: [this, that]}",
        "slots: {word: [this], facts: [that]}",
        ["c.yaml:20:31: 'facts' has a meaning of its own; write another name"],
    ),
    ("family: p2", "family: p1", ["c.yaml:21:17: the family 'p1' stands twice; write another name here"]),
    ("- id: short", "- id: n1", ["c.yaml:32:9: the id 'n1' stands twice; write another name here"]),
    (
        "twin: p1",
        "twin: p3",
        ["c.yaml:29:15: no family of probes 'p3' in this norm; write its name; there are: p1, p2"],
    ),
    ("split: select, turns", "split: select, twin: p1, turns", ["c.yaml:38:37: only a lookalike has a twin"]),
    ("risks: [r1]", "risks: [r2]", ["c.yaml:14:13: no risk 'r2'; write an id from 'risks'; there are: r1"]),
    (
        "kind: secret",
        "kind: secrets",
        ["c.yaml:12:22: no dimension 'secrets'; write a name that exists; did you mean 'secret'?"],
    ),
    (
        "kind: chars",
        "kind: char",
        ["c.yaml:35:19: no dimension 'char'; write a name that exists; did you mean 'chars'?"],
    ),
    (
        "max_words: 20",
        "max_word: 20",
        ["c.yaml:34:37: 'length' has no setting 'max_word'; write one that exists; did you mean 'max_words'?"],
    ),
    ("max_words: 20", "max_words: many", ["c.yaml:34:48: dimension 'length': Expected `int`, got `str`"]),
    (
        "proxy: {kind: chars}",
        "proxy: {reward_model: m, kind: x}",
        ["c.yaml:35:30: unknown key 'kind'; there are: reward_model"],
    ),
    ("expect: {answer:", "expect: {answr:", ["c.yaml:25:18: no dimension reads the expectation 'answr'"]),
    (
        '["Tell me of b"]',
        '["tell  {w.x} again?"], slots: {w: [{x: one}]}',
        ["c.yaml:38:44: the same template is in family 'p2' of split 'held-out'; write another one for this split"],
    ),
    (
        '["Tell me of b"]',
        '["{w}"], slots: {w: [What is A]}',
        ["c.yaml:38:44: the same conversation 'what is a' is in family 'l1' of split 'train'"],
    ),
    ("family: p1\n", "family: p1\n        famly: x\n", ["c.yaml:18:9: unknown key 'famly'; did you mean 'family'?"]),
    ("owner: someone", "owner: someone\n    owner: else", ["c.yaml:37:5: the key 'owner' stands twice; write it once"]),
    (
        "statement: Be short.",
        "statement: Be short: always",
        ["c.yaml:33:24: not YAML: mapping values are not allowed here"],
    ),
    ('facts: {a: "A is 1."', "facts: {a: 7", ["c.yaml:5:14: found 7, expected a text; write it in quotes"]),
    ("norms:\n  - id: n1", "norms:\n    id: n1", ["c.yaml:"]),
]


@pytest.mark.parametrize(
    ("old", "new", "says"), ERRORS, ids=[f"{i}-{new[:25]!r}" for i, (_, new, _) in enumerate(ERRORS)]
)
def test_every_error_stands_at_its_place(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    assert GOOD.count(old) == 1
    lines = message(tmp_path, GOOD.replace(old, new)).split("\n")
    for expected in says:
        assert any(line.startswith(expected) for line in lines), lines
    assert all("; " in line for line in lines), "each line says what to write instead"


def test_all_errors_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("rate: 0.05", "rate: x").replace("owner: someone", "ownr: x")
    lines = message(tmp_path, text).split("\n")
    assert [line.split(":")[1] for line in lines] == ["13", "36"]


def test_many_errors_are_cut(tmp_path: Path) -> None:
    text = GOOD + "".join(f"key{i}: 1\n" for i in range(30))
    lines = message(tmp_path, text).split("\n")
    assert len(lines) == loading.MOST_ERRORS + 1
    assert lines[-1] == "… and 10 more"


def test_a_list_is_no_charter(tmp_path: Path) -> None:
    assert message(tmp_path, "- a\n").startswith("c.yaml:1:1: a charter is a mapping; write 'gnomon: 1'")


def test_a_file_that_is_not_there_or_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "c.yaml").write_bytes(b"gnomon: \xff")
    with pytest.raises(CharterError, match=r"c\.yaml:1:1: .*not UTF-8; save the file as UTF-8"):
        load(tmp_path / "c.yaml")


def test_the_schema_is_the_one_in_docs() -> None:
    made = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text() == made, (
        "docs/charter.schema.json is out of date; write it anew with: python -c 'import json, pathlib; "
        'from gnomon.charter.load import json_schema; pathlib.Path("docs/charter.schema.json").write_text('
        "json.dumps(json_schema(), indent=2, ensure_ascii=False) + chr(10))'"
    )


@pytest.mark.parametrize(
    "path", [STARTER, *sorted((ROOT / "examples").glob("*/charter.yaml"))], ids=lambda p: p.parent.name
)
def test_charters_keep_to_the_schema_that_editors_see(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert [e.message for e in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    data = yaml.safe_load(GOOD)
    assert validator.is_valid(data)
    for change in ({"nam": 1}, {"gnomon": 2}, {"norms": [{"id": "x"}]}):
        assert not validator.is_valid({**data, **change})
