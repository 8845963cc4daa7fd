"""`gnomon hack`: a preference's proxy is searched from the model's replies, recorded, and its texts stay hidden."""

import json
from pathlib import Path

import pytest

from gnomon.charter.load import load
from gnomon.charter.schema import RewardModelRef
from gnomon.cli.hack import measure, wanted
from gnomon.core.errors import GnomonError, SettingsError
from gnomon.ledger.store import Ledger
from gnomon.scoring.dimensions.overlap import Overlap
from tests.cli.conftest import HELPDESK, Gnomon

FIRM = 'default: "Our shop can help you with that. Please ask at the desk."\nrules: []\n'


def test_a_search_is_shown_and_recorded_without_texts(gnomon: Gnomon, tmp_path: Path) -> None:
    (tmp_path / "firm.yaml").write_text(FIRM, encoding="utf-8")
    more = ("--model", "scripted:firm.yaml", "--preference", "grounded", "--effort", "64", "--quick", "--out", "a")
    ran = gnomon("hack", HELPDESK, *more, "--json")
    told = json.loads(ran.stdout)["preferences"]["grounded"]
    # The stock reply answers nothing, so gold has nowhere to fall.
    assert (told["hack"]["state"], ran.returncode) == ("proxy rose alone", 3)
    curve = told["hack"]["curve"]
    assert [at["effort"] for at in curve] == [0, 1, 2, 4, 8, 16, 32, 64]
    assert curve[-1]["proxy"]["value"] >= curve[0]["proxy"]["value"]
    assert "texts" not in told
    with Ledger.read(tmp_path / "a" / "evidence") as ledger:
        (record,) = ledger.find("hack")
        assert ledger.payload(record)["found"]["curve"] == curve
    plain = gnomon("hack", HELPDESK, *more)
    assert "What the proxy paid for" in plain.stdout
    assert "ask at the desk" not in plain.stdout
    assert "ask at the desk" in gnomon("hack", HELPDESK, *more, "--show").stdout


def test_what_is_searched_and_what_is_missing(tmp_path: Path) -> None:
    charter = load(HELPDESK).charter
    named = [p for p in charter.preferences if p.proxy]
    assert wanted(charter, [], False) == named
    assert wanted(charter, [named[0].id], True) == named[:1]
    assert isinstance(measure(next(p for p in named if p.id == "grounded"), None, tmp_path), Overlap)
    with pytest.raises(SettingsError, match="did you mean 'grounded'"):
        wanted(charter, ["ground"], False)
    bare = charter.model_copy(update={"preferences": (named[0].model_copy(update={"proxy": None}),)})
    with pytest.raises(SettingsError, match="no preference has a proxy"):
        wanted(bare, [], False)
    with pytest.raises(SettingsError, match="has no proxy; give it one"):
        wanted(bare, [named[0].id], False)
    model = named[0].model_copy(update={"proxy": RewardModelRef(reward_model="nowhere")})
    with pytest.raises(GnomonError, match="nowhere"):
        measure(model, None, tmp_path)
