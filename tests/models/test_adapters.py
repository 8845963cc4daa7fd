import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast  # noqa: E402

from gnomon.core.errors import ModelError, SettingsError, StorageError  # noqa: E402
from gnomon.models import adapters, logprobs  # noqa: E402
from gnomon.models.adapters import LoRA  # noqa: E402
from gnomon.models.packing import pack  # noqa: E402

PACKED = pack([[1, 2, 3]] * 2, [[7, 8], [9]])


def shaken(adapter, seed=0):
    """Weights as if trained: B is no longer zero."""
    draw = torch.Generator().manual_seed(seed)
    for parameter in adapter.parameters:
        parameter.data.copy_(torch.randn(parameter.shape, generator=draw) * 0.1)
    return adapter


def logp(model):
    return logprobs.sequence_logp(model, PACKED).detach()


@pytest.fixture
def tokenizer():
    from tokenizers import Tokenizer, models

    vocabulary = {"<end>": 0, **{str(i): i for i in range(1, 50)}}
    words = Tokenizer(models.WordLevel(vocabulary, "<end>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>")  # noqa: S106 - a word, no password


def test_a_new_adapter_changes_nothing_and_detaching_leaves_nothing(tiny_llama):
    model = tiny_llama("bfloat16")
    before, names = logp(model), set(model.state_dict())
    adapter = adapters.attach(model, LoRA(rank=4))
    assert torch.equal(logp(model), before)
    assert len(adapter.layers) == 14, "seven linear layers in each of two blocks, and not the head"
    assert all(p.dtype == torch.float32 and p.requires_grad for p in adapter.parameters)
    assert {id(p) for p in model.parameters() if p.requires_grad} == {id(p) for p in adapter.parameters}
    shaken(adapter)
    assert not torch.equal(logp(model), before)
    adapters.detach(adapter)
    assert torch.equal(logp(model), before)
    assert set(model.state_dict()) == names


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-4)])
def test_values_and_gradients_are_those_of_peft(tiny_llama, dtype, tolerance):
    ours = shaken(adapters.attach(tiny_llama(dtype), LoRA(rank=4, alpha=8)))
    plain = tiny_llama(dtype)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear")
    theirs = peft.get_peft_model(plain, config).to(getattr(torch, dtype))
    state = {name.replace(".weight", ".default.weight"): tensor for name, tensor in ours.state.items()}
    assert not theirs.load_state_dict(state, strict=False).unexpected_keys
    wanted, found = (logprobs.sequence_logp(m, PACKED) for m in (plain, ours.model))
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=0)
    found.sum().backward()
    wanted.sum().backward()
    grads = {n: p.grad for n, p in plain.named_parameters() if p.grad is not None}
    mine = {n: p.grad for n, p in ours.model.named_parameters() if p.grad is not None}
    assert grads.keys() == mine.keys()
    for name, grad in mine.items():
        torch.testing.assert_close(grad, grads[name], atol=tolerance, rtol=1e-3)


def test_start_depends_on_the_seed_only(tiny_llama):
    torch.manual_seed(1)
    one = adapters.attach(tiny_llama(), seed=3).digest
    torch.manual_seed(2)
    assert adapters.attach(tiny_llama(), seed=3).digest == one
    assert adapters.attach(tiny_llama(), seed=4).digest != one


def test_reference_and_merged_leave_the_model_as_it_was(tiny_llama):
    model = tiny_llama()
    before = logp(model)
    adapter = shaken(adapters.attach(model))
    adapted = logp(model)
    with adapters.reference(adapter):
        assert torch.equal(logp(model), before)
    with adapters.merged(adapter):
        torch.testing.assert_close(logp(model), adapted, atol=1e-4, rtol=0)
    assert torch.equal(logp(model), adapted)
    with pytest.raises(RuntimeError, match="stop"), adapters.merged(adapter):
        raise RuntimeError("stop")
    assert torch.equal(logp(model), adapted)


def test_saved_adapter_loads_here_and_in_peft(tiny_llama, tmp_path):
    adapter = shaken(adapters.attach(tiny_llama(), LoRA(rank=4, targets=("q_proj", "v_proj"))))
    wanted = logp(adapter.model)
    digest = adapters.save(adapter, tmp_path / "a")
    again = adapters.load(tiny_llama(), tmp_path / "a")
    assert again.digest == digest == adapter.digest
    assert again.settings.rank == 4
    assert torch.equal(logp(again.model), wanted)
    theirs = tiny_llama()
    peft.PeftModel.from_pretrained(theirs, tmp_path / "a")
    torch.testing.assert_close(logp(theirs), wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("tied", [True, False])
def test_merged_folder_reloads_with_equal_logits(tiny_llama, tmp_path, tokenizer, tied):
    adapter = shaken(adapters.attach(tiny_llama(tie_word_embeddings=tied)))
    files = adapters.write_folder(adapter.model, adapter, tokenizer, tmp_path / "whole")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files.keys()
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "whole", local_files_only=True)
    ids = torch.tensor([[1, 2, 3, 7, 8]])
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, adapter.model(ids).logits, atol=1e-4, rtol=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["whole"], "nothing half-written is left beside it"
    assert adapters.write_folder(adapter.model, adapter, tokenizer, tmp_path / "whole") == files


def test_digest_knows_one_flipped_bit_and_not_the_order(tiny_llama):
    state = adapters.attach(tiny_llama()).state
    assert adapters.weights_digest(dict(reversed(state.items()))) == adapters.weights_digest(state)
    name = next(iter(state))
    changed = {**state, name: state[name].clone()}
    changed[name].view(torch.int32)[0, 0] ^= 1
    assert adapters.weights_digest(changed) != adapters.weights_digest(state)


def test_errors_say_what_to_write(tiny_llama, tmp_path):
    with pytest.raises(SettingsError, match=r"there are: .*q_proj"):
        adapters.attach(tiny_llama(), LoRA(targets=("query",)))
    with pytest.raises(SettingsError, match="at least 1"):
        adapters.attach(tiny_llama(), LoRA(rank=0))
    adapter = adapters.attach(tiny_llama())
    with pytest.raises(ModelError, match="already has an adapter"):
        adapters.attach(adapter.model)
    with pytest.raises(StorageError):
        adapters.restore(adapter, tmp_path)
    adapters.save(adapter, tmp_path)
    with pytest.raises(ModelError, match="another shape"):
        adapters.restore(adapters.attach(tiny_llama(), LoRA(rank=2)), tmp_path)
    (tmp_path / adapters.WEIGHTS).write_bytes(b"short")
    with pytest.raises(ModelError, match="damaged"):
        adapters.restore(adapter, tmp_path)
