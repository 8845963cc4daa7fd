"""Settings of the main job."""

import pytest

from gnomon.cli.session import settings
from gnomon.cli.settings import RunSettings, quick
from gnomon.core.errors import SettingsError


def test_defaults_then_quick_then_the_users_own_word() -> None:
    assert settings(3, False, []) == RunSettings(seed=3)
    chosen = settings(0, True, ["steps=5", "attacks=[direct]", "beta=0.3"])
    assert (chosen.steps, chosen.attacks, chosen.beta) == (5, ("direct",), 0.3)
    assert chosen.best_of == quick(RunSettings()).best_of


def test_a_misspelt_setting_lists_the_real_ones() -> None:
    with pytest.raises(SettingsError, match="did you mean 'steps'"):
        settings(0, False, ["stepps=5"])
    with pytest.raises(SettingsError, match="steps"):
        settings(0, False, ["steps=many"])


def test_every_measurement_is_drawn_alike() -> None:
    assert RunSettings(seed=7, temperature=0.3, max_new_tokens=9).sampling.seed == 7
    assert RunSettings(request_seconds=1).remote["seconds"] == 1
