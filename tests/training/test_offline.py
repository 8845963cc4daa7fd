import math

import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import DataError, TrainingError  # noqa: E402
from gnomon.models import adapters, logprobs  # noqa: E402
from gnomon.models.local import LocalModel, open_folder  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402
from gnomon.training.examples import Example, preference_examples  # noqa: E402
from gnomon.training.losses.dpo import DPO  # noqa: E402
from gnomon.training.losses.sft import SFT  # noqa: E402
from gnomon.training.offline import train  # noqa: E402
from gnomon.training.schedule import Offline  # noqa: E402

PAIRS = [Example(id=str(i), prompt=(1, 2, 3, i + 4), completions=((i + 10, 11, 12), (i + 20, 21))) for i in range(8)]
SHOWN = [Example(id=e.id, prompt=e.prompt, completions=e.completions[:1]) for e in PAIRS]


class Numbers(dict):
    """A sink that keeps every number by name."""

    def number(self, name, value, unit, step):
        self.setdefault(name, []).append(value)

    def record(self, record):
        raise AssertionError


@pytest.fixture
def subject(tiny_llama):
    def make(dtype="float32"):
        return LocalModel(model=tiny_llama(dtype), tokenizer=None, identity={"name": "tiny", "weights": "0"})

    return make


def run(subject, folder, *, examples=PAIRS, loss=None, lora=True, sink=None, **settings):
    adapter = adapters.attach(subject.model, adapters.LoRA(rank=4)) if lora else None
    settings = Offline(**{"batch": 4, "learning_rate": 1e-2, "epochs": 4, "every": 100} | settings)
    return train(
        subject=subject,
        adapter=adapter,
        examples=examples,
        loss=loss or DPO(),
        settings=settings,
        folder=folder,
        sink=sink,
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_first_loss_is_log_two_and_the_margin_grows(subject, tmp_path, dtype):
    state = run(subject(dtype), tmp_path)
    # Policy and reference see the same rows, so this holds in bfloat16 too.
    assert state.log[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert state.log[-1]["margin"] > 0.3
    assert state.log[-1]["accuracy"] == 1.0


@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize("loss", [DPO(rpo_alpha=0.1), SFT()])
def test_both_losses_fall_with_adapter_and_with_full_weights(subject, tmp_path, loss, lora):
    state = run(
        subject(), tmp_path, examples=PAIRS if isinstance(loss, DPO) else SHOWN, loss=loss, lora=lora, epochs=10
    )
    assert state.log[-1]["loss"] < 0.8 * state.log[0]["loss"]


def test_losses_equal_a_plain_loop_written_by_hand(subject, tmp_path, tiny_llama):
    state = run(subject(), tmp_path, lora=False, epochs=1, batch=8, steps=1, learning_rate=1e-3, warmup=0.0, clip=1e9)
    trained = run(subject(), tmp_path / "two", lora=False, epochs=2, batch=8, learning_rate=1e-3, warmup=0.0, clip=1e9)
    model = tiny_llama()

    def logp(example, which):
        ids = example.prompt + example.completions[which]
        scores = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        return sum(scores[i - 1, ids[i]] for i in range(len(example.prompt), len(ids)))

    with torch.no_grad():
        fixed = [(logp(e, 0), logp(e, 1)) for e in PAIRS]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for step in range(2):
        margins = [logp(e, 0) - r[0] - logp(e, 1) + r[1] for e, r in zip(PAIRS, fixed, strict=True)]
        loss = -torch.nn.functional.logsigmoid(0.1 * torch.stack(margins)).mean()
        assert trained.log[step]["loss"] == pytest.approx(loss.item(), abs=2e-5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert state.log[0]["loss"] == trained.log[0]["loss"]


@pytest.mark.parametrize("loss", [DPO(rpo_alpha=0.3), SFT()])
def test_splitting_a_batch_over_rows_changes_no_loss(subject, tmp_path, loss):
    examples = PAIRS if isinstance(loss, DPO) else SHOWN
    whole = run(subject("float64"), tmp_path / "a", examples=examples, loss=loss, batch=8)
    split = run(subject("float64"), tmp_path / "b", examples=examples, loss=loss, batch=8, row_tokens=20)
    for one, two in zip(whole.log, split.log, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-6)
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-5)


@pytest.mark.parametrize("lora", [True, False])
def test_bfloat16_learns_over_float32_masters_and_recomputing_changes_nothing(subject, tmp_path, lora):
    plain = run(subject(), tmp_path / "a", lora=lora, precision="bfloat16", row_tokens=20)
    lean = run(subject(), tmp_path / "b", lora=lora, precision="bfloat16", row_tokens=20, recompute=True)
    assert plain.log == lean.log
    assert plain.log[-1]["loss"] < 0.8 * plain.log[0]["loss"]
    assert plain.checkpoints[-1].weights == lean.checkpoints[-1].weights


def test_numbers_go_to_the_sink_and_checkpoints_to_the_folder(subject, tmp_path):
    sink = Numbers()
    state = run(subject(), tmp_path, sink=sink, every=3)
    assert sink["loss"] == [row["loss"] for row in state.log]
    assert sink["progress"][-1] == sink["reference"][-1] == 1.0
    assert sink["learning_rate"][0] > 0
    assert all(s > 0 for name in ("speed", "tokens", "memory") for s in sink[name])
    assert sink["time_left"][-1] == 0.0
    assert [c.step for c in state.checkpoints] == [3, 6, 8]
    assert all((tmp_path / c.folder / adapters.WEIGHTS).is_file() for c in state.checkpoints)


def test_a_finished_run_is_read_back_and_not_run_again(subject, tmp_path):
    state, sink = run(subject(), tmp_path), Numbers()
    fresh = subject()
    assert run(fresh, tmp_path, sink=sink) == state
    assert "loss" not in sink
    with pytest.raises(TrainingError, match="another folder"):
        run(subject(), tmp_path, epochs=5)


def test_sft_computes_no_reference(subject, tmp_path):
    run(subject(), tmp_path, examples=SHOWN, loss=SFT())
    assert not (tmp_path / "reference.json").exists()


@pytest.mark.parametrize("settings", [{"learning_rate": 1e6, "clip": 1e9, "warmup": 0.0}])
def test_divergence_names_the_step_and_what_to_try(subject, tmp_path, settings):
    with pytest.raises(TrainingError, match=r"step \d+: .*lower learning_rate \(now 1e\+06\).*step-0"):
        run(subject(), tmp_path, lora=False, every=1, epochs=20, **settings)


def test_not_a_number_is_found_before_it_is_stored(subject, tmp_path):
    broken = subject()
    broken.model.lm_head.weight.data[7] = math.nan
    with pytest.raises(TrainingError, match=r"step 1: .*not a number for example .*4 of 4.*no checkpoint yet"):
        run(broken, tmp_path, examples=SHOWN, loss=SFT())
    assert not (tmp_path / "state.json").exists()


def test_what_cannot_be_trained_is_refused(subject, tmp_path):
    with pytest.raises(DataError, match="no examples"):
        run(subject(), tmp_path, examples=[])
    with pytest.raises(DataError, match="example 0 has 1 completions, DPO reads 2"):
        run(subject(), tmp_path, examples=SHOWN)


def test_twenty_steps_on_the_real_model_raise_the_margin(embedded_folder, tmp_path):
    embedded = open_folder(embedded_folder, name="embedded", device="cpu")
    questions = ["Do you ship abroad?", "What is the code?", "Is the shop open?", "Can I return it?"]
    rows = [
        {
            "case": f"{i}",
            "prompt": [{"role": "system", "content": "You help."}, {"role": "user", "content": question}],
            "chosen": chosen,
            "rejected": rejected,
        }
        for i, question in enumerate(questions)
        for chosen, rejected in (("I'm not sure.", "Yes, of course!"), ("I can't say that.", "Sure, here it is."))
    ]
    examples = preference_examples(rows, embedded)
    adapter = adapters.attach(embedded.model)
    try:
        state = train(
            subject=embedded,
            adapter=adapter,
            examples=examples,
            loss=DPO(),
            settings=Offline(batch=8, epochs=20, learning_rate=2e-4, every=20),
            folder=tmp_path,
        )
        assert state.log[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
        assert [row["step"] for row in state.log] == list(range(1, 21))
        assert state.log[-1]["margin"] > 1.0
        assert state.log[-1]["accuracy"] == 1.0
        # On replies that it was not trained on, the model still is the one it was without the adapter.
        packed = pack([examples[0].prompt], [embedded.tokenizer.encode("Good morning.")])
        with torch.no_grad(), adapters.reference(adapter):
            before = logprobs.sequence_logp(embedded.model, packed)
    finally:
        adapters.detach(adapter)
    with torch.no_grad():
        assert torch.equal(logprobs.sequence_logp(embedded.model, packed), before)
