"""Against torch's own divergence, the log-probabilities of the training core, and a model that is itself."""

from typing import Any

import pytest
import torch

from gnomon.core.errors import ModelError
from gnomon.core.types import Message, Transcript
from gnomon.models import logprobs
from gnomon.models.divergence import comparable, per_reply
from gnomon.models.packing import pack

REPLIES = [Transcript((Message("user", "7 8 9"), Message("assistant", text))) for text in ("10 11 12", "20", "")]


def test_a_model_is_at_no_distance_from_itself(tiny_chat: Any) -> None:
    found = per_reply(tiny_chat(), tiny_chat(), REPLIES)
    assert [f.tokens for f in found] == [4, 2, 1], "the end counts as a token"
    assert all(f.kl == pytest.approx(0, abs=1e-6) and f.agree == 1.0 for f in found)
    (cut,) = per_reply(tiny_chat(), tiny_chat(), REPLIES[:1], most=3)
    assert cut.tokens == 3, "a reply that was cut did not end there"


def test_it_is_torchs_divergence_of_the_whole_distributions(tiny_chat: Any) -> None:
    first, second = tiny_chat(seed=0), tiny_chat(seed=1)
    (found,) = per_reply(first, second, REPLIES[:1])
    prompt = first.encode(Transcript(REPLIES[0].messages[:-1]))
    row = torch.tensor([[*prompt, 10, 11, 12, 0]])
    with torch.inference_mode():
        logits = [m.model(input_ids=row).logits[0, len(prompt) - 1 : -1].log_softmax(dim=1) for m in (first, second)]
    p, q = logits
    expected = torch.nn.functional.kl_div(q, p, log_target=True, reduction="sum") / 4
    assert found.kl == pytest.approx(float(expected), rel=1e-5)
    assert found.agree == pytest.approx(float((p.argmax(1) == q.argmax(1)).float().mean()))
    assert found.kl > 0
    (back,) = per_reply(second, first, REPLIES[:1])
    assert back.kl != pytest.approx(found.kl, rel=1e-3), "it is not symmetric"


def test_the_same_places_as_the_training_core_reads(tiny_chat: Any) -> None:
    """The mean over tokens drawn from p of log p - log q is the divergence: here over all tokens, weighted by p."""
    first, second = tiny_chat(seed=0), tiny_chat(seed=2)
    prompt = first.encode(Transcript(REPLIES[1].messages[:-1]))
    words = [[w] for w in range(50)]
    packed = pack([prompt] * 50, words)
    with torch.inference_mode():
        p, q = (logprobs.token_logp(m.model, packed) for m in (first, second))
    (found,) = per_reply(first, second, [REPLIES[1]], most=1)
    assert found.kl == pytest.approx(float((p.exp() * (p - q)).sum()), rel=1e-4)


def test_models_with_other_tokens_are_compared_as_text_only(tiny_chat: Any) -> None:
    other = tiny_chat()
    other.tokenizer.add_tokens(["new"])
    assert not comparable(tiny_chat(), other)
    with pytest.raises(ModelError, match="compare their replies as text"):
        per_reply(tiny_chat(), other, REPLIES)
    assert comparable(tiny_chat(), tiny_chat(seed=3))


def test_a_conversation_that_does_not_fit_is_refused(tiny_chat: Any) -> None:
    long = Transcript((Message("user", "7 " * 60), Message("assistant", "8 " * 10)))
    with pytest.raises(ModelError, match="does not fit into the 64"):
        per_reply(tiny_chat(), tiny_chat(), [long])
