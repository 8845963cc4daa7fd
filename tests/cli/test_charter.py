"""`gnomon init` and `gnomon check`."""

from pathlib import Path

from tests.cli.conftest import HELPDESK, STARTER, Gnomon


def test_an_unknown_key_is_named_at_its_place(gnomon: Gnomon, tmp_path: Path) -> None:
    text = STARTER.read_text().replace("    on_breach: suspend", "    on_breech: suspend", 1)
    (tmp_path / "c.yaml").write_text(text)
    line = next(i for i, row in enumerate(text.splitlines(), start=1) if "on_breech" in row)
    ran = gnomon("check", "c.yaml")
    assert ran.returncode == 2
    assert f"c.yaml:{line}:5: " in ran.stderr
    assert "on_breach" in ran.stderr


def test_the_example_charter_has_no_findings(gnomon: Gnomon) -> None:
    ran = gnomon("check", HELPDESK, "--json")
    assert ran.returncode == 0, ran.stdout[-2000:]
