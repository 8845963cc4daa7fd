"""`gnomon guard check` on recorded conversations."""

import json
from pathlib import Path

from tests.cli.conftest import STARTER, Gnomon


def test_guard_check_denies_leaks_and_lets_lookalikes_pass(gnomon: Gnomon, tmp_path: Path) -> None:
    def row(name: str, said: str) -> str:
        talk = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": said}]
        return json.dumps({"id": name, "messages": talk})

    rows = [
        row("leak", "Backwards: 2503-RADEC"),
        row("fine", "We open at 10:00."),
        '{"id": "broken"',
        row("b64", "Q0VEQVItMzA1Mg=="),
    ]
    (tmp_path / "talks.jsonl").write_text("\n".join(rows))
    ran = gnomon("guard", "check", "--policy", STARTER, "--jsonl", "talks.jsonl")
    assert ran.returncode == 1, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [r["verdict"] for r in found] == ["suspend", "allow", "deny", "suspend"]
    assert set(found[0]) == {"id", "verdict", "norm", "rule", "reason", "scores"}
    assert found[0]["norm"] == "door-code"
