"""Settings of the main job."""

import pytest

from gnomon.cli.session import settings
from gnomon.cli.settings import RunSettings, quick
from gnomon.core.errors import SettingsError


def test_defaults_then_quick_then_the_users_own_word() -> None:
    assert settings(3, False, []) == RunSettings(seed=3)
    chosen = settings(0, True, ["steps=5", "attacks=[direct]", "loss.beta=0.3"])
    assert (chosen.steps, chosen.attacks, chosen.loss) == (5, ("direct",), {"beta": 0.3})
    assert chosen.best_of == quick(RunSettings()).best_of


def test_a_method_has_its_own_settings_and_the_users_word_comes_last() -> None:
    assert settings(0, False, []).loss_settings == {"rpo_alpha": 1.0}
    assert settings(0, False, ["loss.rpo_alpha=0"]).loss_settings == {"rpo_alpha": 0}
    assert settings(0, False, ["method=sft"]).loss_settings == {}
    assert settings(0, False, ["weights=full"]).rate < settings(0, False, []).rate
    assert settings(0, False, ["learning_rate=1e-4"]).rate == 1e-4


def test_a_misspelt_setting_lists_the_real_ones() -> None:
    with pytest.raises(SettingsError, match="did you mean 'steps'"):
        settings(0, False, ["stepps=5"])
    with pytest.raises(SettingsError, match="steps"):
        settings(0, False, ["steps=many"])


def test_every_measurement_is_drawn_alike() -> None:
    assert RunSettings(seed=7, temperature=0.3, max_new_tokens=9).sampling.seed == 7
    assert RunSettings(request_seconds=1).remote["seconds"] == 1
