"""Low-rank adapters over a frozen model: attach, switch off, store, merge.

The layers are peft's, and so is the file format; the forward pass is ours: one addition inside the layer's own matrix
product and no float32 copies of its input and output, a quarter less time a step. It has no dropout and no DoRA.
Source: Hu et al., LoRA, 2106.09685, eq. 3: y = W x + (alpha / r) B A x, with B = 0 at the start.
Departs: A and B are kept in at least float32 for the optimiser, and rounded to the base's type in the product.
Fails: closed; files are written atomically, and the adapter's weights last: a folder without them is unfinished.
"""

import contextlib
import functools
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import safetensors.torch
import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn

from gnomon.core import seeds
from gnomon.core.canonical import digest, sha256
from gnomon.core.errors import ModelError, SettingsError
from gnomon.core.files import read_text, storage, write_atomic
from gnomon.models import heads

WEIGHTS, CONFIG, NAME = "adapter_model.safetensors", "adapter_config.json", "default"
PREFIX = "base_model.model."
"""What peft puts before a layer's path in its files."""


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Shape of an adapter."""

    rank: int = 16
    alpha: float = 32.0
    """The update is scaled by alpha / rank."""
    targets: tuple[str, ...] = ()
    """Ends of module names, such as `q_proj`; none = every linear layer but the output head."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """An adapter inside a model; the model computes with it until it is switched off or detached."""

    model: Any
    settings: LoRA
    layers: Mapping[str, Any]
    """Path of each adapted layer in the model, and the layer."""

    @property
    def parameters(self) -> list[nn.Parameter]:
        """A and B of every layer, in the order of the model."""
        return [factor(layer).weight for layer in self.layers.values() for factor in (_a, _b)]

    @property
    def state(self) -> dict[str, Tensor]:
        """The weights by the names that peft gives them in files."""
        named = {}
        for path, layer in self.layers.items():
            named[f"{PREFIX}{path}.lora_A.weight"] = _a(layer).weight.detach()
            named[f"{PREFIX}{path}.lora_B.weight"] = _b(layer).weight.detach()
        return named

    @property
    def digest(self) -> str:
        """SHA-256 of the adapter's weights."""
        return weights_digest(self.state)


def attach(model: Any, settings: LoRA = LoRA(), *, seed: int = 0) -> Adapter:
    """Put an adapter into a transformers model, in place, and freeze everything else.

    A is drawn from the seed's own stream for each layer, B is zero: the model's outputs do not change yet.
    """
    if settings.rank < 1:
        raise SettingsError(f"an adapter's rank must be at least 1, not {settings.rank}")
    if any(isinstance(m, LoraLinear) for m in model.modules()):
        raise ModelError("this model already has an adapter; detach it, or restore other weights into it")
    if heads.attached(model) is not None:
        raise ModelError("attach the adapter first and the head after it; else the adapter would freeze the head")
    config = _config(settings)
    try:
        peft.inject_adapter_in_model(config, model, NAME)
    except ValueError as error:
        names = sorted({n.rsplit(".", 1)[-1] for n, m in model.named_modules() if isinstance(m, nn.Linear)})
        raise SettingsError(f"no layer fits targets {list(settings.targets)}; there are: {', '.join(names)}") from error
    layers = {path: m for path, m in model.named_modules() if isinstance(m, LoraLinear)}
    model.requires_grad_(False)
    for path, layer in layers.items():
        if type(layer.base_layer) is not nn.Linear:
            raise ModelError(f"{path} is a {type(layer.base_layer).__name__}; only plain linear layers can be adapted")
        _start(layer, seeds.stream(seed, "adapter", path))
        layer.forward = functools.partial(_forward, layer)
    return Adapter(model, settings, layers)


def detach(adapter: Adapter) -> None:
    """Take the adapter out; the model is the one it was."""
    for path, layer in adapter.layers.items():
        parent, _, name = path.rpartition(".")
        setattr(adapter.model.get_submodule(parent), name, layer.base_layer)
    # peft leaves its settings on the model, and would warn of a second adapter.
    if hasattr(adapter.model, "peft_config"):
        del adapter.model.peft_config


@contextlib.contextmanager
def reference(adapter: Adapter) -> Iterator[None]:
    """Compute as the model did before it was adapted; not safe for two threads on one model."""
    before = [layer.disable_adapters for layer in adapter.layers.values()]
    for layer in adapter.layers.values():
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer, state in zip(adapter.layers.values(), before, strict=True):
            layer._disable_adapters = state


@contextlib.contextmanager
def merged(adapter: Adapter) -> Iterator[None]:
    """Fold the adapter into the base weights while sampling: faster decoding; the exact weights come back after."""
    kept = {path: layer.base_layer.weight.data for path, layer in adapter.layers.items()}
    try:
        for layer in adapter.layers.values():
            layer.base_layer.weight.data = _sum(layer).to(layer.base_layer.weight.dtype)
        with reference(adapter):
            yield
    finally:
        for path, layer in adapter.layers.items():
            layer.base_layer.weight.data = kept[path]


def save(adapter: Adapter, folder: Path) -> str:
    """Write the adapter as peft reads it; returns the digest of its weights."""
    config = _config(adapter.settings).to_dict()
    plain = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    write_atomic(folder / CONFIG, json.dumps(plain, indent=2, sort_keys=True, default=str) + "\n")
    state = {name: tensor.cpu().contiguous() for name, tensor in adapter.state.items()}
    write_atomic(folder / WEIGHTS, safetensors.torch.save(state))
    return adapter.digest


def restore(adapter: Adapter, folder: Path) -> None:
    """Read weights that `save` wrote into an attached adapter. Raises ModelError if they do not fit."""
    with storage(folder / WEIGHTS):
        raw = (folder / WEIGHTS).read_bytes()
    try:
        stored = safetensors.torch.load(raw)
    except safetensors.SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS} is damaged ({error}); delete it and train again") from error
    current = adapter.state
    if {n: t.shape for n, t in stored.items()} != {n: t.shape for n, t in current.items()}:
        raise ModelError(f"{folder} holds an adapter of another shape or for another model")
    for name, tensor in current.items():
        tensor.copy_(stored[name])


def load(model: Any, folder: Path) -> Adapter:
    """Attach the adapter that a folder holds."""
    config = json.loads(read_text(folder / CONFIG))
    targets = config["target_modules"]
    settings = LoRA(
        rank=config["r"], alpha=config["lora_alpha"], targets=() if isinstance(targets, str) else tuple(targets)
    )
    adapter = attach(model, settings)
    restore(adapter, folder)
    return adapter


def write_folder(
    model: Any, adapter: Adapter | None, tokenizer: Any, folder: Path, *, dtype: torch.dtype | None = None
) -> dict[str, str]:
    """Write a model, with its adapter folded in, as a transformers folder; returns the digest of each file by name.

    A head is left out. `dtype` is what the weights are stored in, by default the model's. Appears whole or not at all.
    """
    kind = dtype or model.get_input_embeddings().weight.dtype
    config = type(model.config).from_dict({**model.config.to_dict(), "architectures": [type(model).__name__]})
    config.dtype = kind
    state = {name: tensor.to(kind).cpu().contiguous() for name, tensor in _merged_state(model, adapter).items()}
    with storage(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            config.save_pretrained(beside)
            model.generation_config.save_pretrained(beside)
            tokenizer.save_pretrained(beside)
            write_atomic(beside / "model.safetensors", safetensors.torch.save(state, {"format": "pt"}))
            beside.chmod(0o755)  # mkdtemp makes folders that only the owner may read
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(beside, folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return {p.name: sha256(p.read_bytes()) for p in sorted(folder.iterdir()) if p.is_file()}


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors, whatever file they stand in."""
    rows = {}
    for name, tensor in state.items():
        flat = tensor.detach().cpu().contiguous().view(-1)
        raw = flat.view(torch.uint8).numpy().tobytes()
        rows[name] = [str(tensor.dtype), list(tensor.shape), sha256(raw)]
    return digest(rows)


class _Adapted(torch.autograd.Function):
    """x W' + b + s (x A') B', with gradients for x, A and B only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, base: nn.Linear, a: Tensor, b: Tensor, scale: float) -> Tensor:
        rows, weight = x.reshape(-1, x.shape[-1]), base.weight
        a_low, b_low = a.to(x.dtype), b.to(x.dtype)
        inner = rows @ a_low.t()
        out = nn.functional.linear(rows, weight, base.bias).addmm_(inner, b_low.t(), alpha=scale)
        ctx.save_for_backward(rows, weight, a_low, b_low, inner)
        ctx.scale, ctx.exact = scale, a.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, a_low, b_low, inner = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].shape[-1])
        grad_inner = (grad @ b_low).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight).addmm_(grad_inner, a_low).view(*grads[0].shape[:-1], -1)
        grad_a = (grad_inner.t() @ rows).to(ctx.exact)
        grad_b = (grad.t() @ inner).to(ctx.exact).mul_(ctx.scale)
        return grad_x, None, grad_a, grad_b, None


def _forward(layer: Any, x: Tensor) -> Tensor:
    out: Tensor
    if layer.disable_adapters:
        out = layer.base_layer(x)
    else:
        out = _Adapted.apply(  # type: ignore[no-untyped-call]
            x, layer.base_layer, _a(layer).weight, _b(layer).weight, layer.scaling[NAME]
        )
    return out


def _a(layer: Any) -> Any:
    return layer.lora_A[NAME]


def _b(layer: Any) -> Any:
    return layer.lora_B[NAME]


def _config(settings: LoRA) -> Any:
    targets = list(settings.targets) or "all-linear"
    return peft.LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=targets, task_type="CAUSAL_LM")


def _start(layer: Any, seed: int) -> None:
    """The usual start, drawn in at least float32 whatever the base's type is."""
    a, b, base = _a(layer).weight, _b(layer).weight, layer.base_layer.weight
    exact = torch.promote_types(base.dtype, torch.float32)
    a.data, b.data = a.data.to(exact), torch.zeros_like(b.data, dtype=exact)
    drawn = torch.empty(a.shape, dtype=exact)
    nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=torch.Generator().manual_seed(seed))
    a.data.copy_(drawn)
    a.requires_grad_(True)
    b.requires_grad_(True)


@torch.no_grad()
def _sum(layer: Any) -> Tensor:
    """W + s B A in the adapter's type."""
    a, b = _a(layer).weight, _b(layer).weight
    return torch.addmm(layer.base_layer.weight.to(a.dtype), b, a, alpha=layer.scaling[NAME])


def _merged_state(model: Any, adapter: Adapter | None) -> dict[str, Tensor]:
    """Names and weights of the plain model, tied weights once."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    state = {}
    for name, tensor in model.state_dict().items():
        if ".lora_" not in name and name not in tied and not name.startswith(heads.NAME):
            state[name.replace(".base_layer.", ".")] = tensor.detach()
    return state | {f"{path}.weight": _sum(layer) for path, layer in (adapter.layers if adapter else {}).items()}
