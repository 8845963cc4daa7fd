import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from gnomon.core.errors import DataError, StorageError, TrainingError  # noqa: E402
from gnomon.models import logprobs  # noqa: E402
from gnomon.models.local import LocalModel  # noqa: E402
from gnomon.training import checks  # noqa: E402
from gnomon.training.checkpoint import Checkpoint, State  # noqa: E402
from gnomon.training.examples import Example  # noqa: E402
from gnomon.training.losses.sft import SFT  # noqa: E402
from gnomon.training.offline import train  # noqa: E402
from gnomon.training.reference import pack_row  # noqa: E402
from gnomon.training.schedule import Offline  # noqa: E402

GOOD = Example(id="good", prompt=(1, 2, 3), completions=((4, 5),))
BEFORE = State(run="r", step=6, checkpoints=(Checkpoint(step=6, weights="w", folder="step-000006"),))


@pytest.fixture
def subject(tiny_llama):
    return LocalModel(model=tiny_llama(), tokenizer=None, identity={"name": "tiny", "weights": "0"})


def run(subject, folder, examples, measure=logprobs.sequence_logp, **settings):
    settings = Offline(**{"batch": 2, "learning_rate": 1e-3, "every": 1, "epochs": 2} | settings)
    return train(
        subject=subject, adapter=None, examples=examples, loss=SFT(), settings=settings, folder=folder, measure=measure
    )


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (replace(GOOD, id="far#7", completions=((4, 50, 99),)), r"example far#7 has tokens \[50, 99\].*ends at 49"),
        (replace(GOOD, id="low", prompt=(-1,)), r"example low has tokens \[-1\]"),
        (replace(GOOD, id="two", completions=((4,), (5,))), "example two has 2 completions, SFT reads 1"),
        (replace(GOOD, id="none", completions=((),)), "example none has an empty prompt or completion"),
        (replace(GOOD, id="bare", prompt=()), "example bare has an empty prompt or completion"),
        (replace(GOOD, id="nan", label=math.nan), "example nan has the label nan"),
        (replace(GOOD, id="long", completions=((4,) * 62,)), "example long needs 65 tokens.*prompt of 3.*holds 64"),
    ],
)
def test_an_example_that_does_not_fit_is_named_before_the_first_step(subject, tmp_path, broken, message):
    calls = []
    with pytest.raises(DataError, match=message):
        run(subject, tmp_path, [GOOD, broken], measure=lambda *a: calls.append(a))
    assert not calls
    assert not list(tmp_path.iterdir())


def test_what_just_fits_is_trained(subject, tmp_path):
    assert run(subject, tmp_path, [replace(GOOD, completions=((49,) * 61,))], epochs=1).step == 1


def hungry(model, packed):
    """Asks for 4 EiB, as a batch would that is too large."""
    return logprobs.sequence_logp(model, packed) + torch.empty(1 << 60)


def test_out_of_memory_says_what_to_lower_and_loses_nothing(subject, tmp_path):
    done = run(subject, tmp_path, [GOOD], epochs=3)
    state = (tmp_path / "state.json").read_bytes()
    message = (
        r"step 1: out of memory \(.*allocate.*\); lower row_tokens \(now 4096\), set recompute=true.*no checkpoint"
    )
    with pytest.raises(TrainingError, match=message):
        run(subject, tmp_path / "other", [GOOD], measure=hungry)
    message = r"step 7: out of memory.*the last good checkpoint is step-000006"
    with pytest.raises(TrainingError, match=message), checks.memory(Offline(), BEFORE):
        hungry(subject.model, pack_row([GOOD]))
    assert (tmp_path / "state.json").read_bytes() == state
    # What was advised changes no number but its rounding, so the run may go on with it.
    again = run(subject, tmp_path, [GOOD], epochs=3, row_tokens=100, recompute=True)
    assert again == done


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_every_kind_of_memory_error_is_known(kind):
    with (
        pytest.raises(TrainingError, match=r"step 7: out of memory \(of the device\); .*row_tokens \(now 9\), shorten"),
        checks.memory(Offline(row_tokens=9, recompute=True), BEFORE),
    ):
        raise kind("of the device")


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes"), checks.memory(Offline(), BEFORE):
        raise RuntimeError("shapes do not fit")


def test_an_output_that_is_no_number_names_its_examples(subject, tmp_path):
    subject.model.get_input_embeddings().weight.data[7] = math.nan
    bad = [replace(GOOD, id=f"bad{i}", prompt=(1, 7, i)) for i in range(2)]
    with pytest.raises(
        TrainingError, match=r"step 1: .*example bad\d, bad\d \(2 of 4\).*lower learning_rate \(now 0.001"
    ):
        run(subject, tmp_path, [GOOD, *bad, replace(GOOD, id="fine")], batch=4, row_tokens=5)


def test_a_file_that_cannot_be_written_leaves_the_checkpoint_before(subject, tmp_path):
    resource = pytest.importorskip("resource")

    class Full:
        """Lets no file grow beyond 4 KiB once the second step is done, as a full disk would."""

        def number(self, name, value, unit, step):
            if step == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))

        def record(self, record):
            raise AssertionError

    def go_on(sink):
        loop = Offline(batch=1, epochs=4, every=1, learning_rate=1e-3)
        return train(
            subject=subject,
            adapter=None,
            examples=[GOOD],
            loss=SFT(),
            settings=loop,
            folder=tmp_path / "run",
            sink=sink,
        )

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(StorageError, match=r"step-000003/model.safetensors: .*larger than"):
            go_on(Full())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [p for p in tmp_path.rglob("*") if "step-000003/" in str(p)]
    assert go_on(None).step == 4
