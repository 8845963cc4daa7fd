"""Hub ids without a network: a clear error, at once."""

import time

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from huggingface_hub import constants  # noqa: E402

from gnomon.core.errors import ModelError  # noqa: E402
from gnomon.models import hub  # noqa: E402


def test_unreachable_hub_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Port 9 of this machine: nobody listens, so the connection is refused without leaving it.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"not on this disk and the hub cannot be reached \(127\.0\.0\.1: "):
        hub.snapshot("no-such-org/no-such-model")
    assert time.monotonic() - start < 5


def test_a_malformed_id_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="is not a Hugging Face id"):
        hub.snapshot("a--b/..c")
