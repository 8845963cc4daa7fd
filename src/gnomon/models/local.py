"""A language model that runs in this process: weights, tokenizer and identity in one frozen noun.

It does not fetch (`load`, `embedded`), train (`training`), or pick tokens (`generate`).
Source: Hugging Face transformers, `AutoModelForCausalLM` and chat templates.
Units: lengths in tokens.
Fails: a missing or unfit folder, a missing chat template, or a conversation too long is a ModelError.
"""

import contextlib
import functools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import torch
import transformers
from huggingface_hub import utils as hub
from safetensors import SafetensorError
from transformers.utils import logging as hf_logging

from gnomon.core.canonical import digest, file_digest, sha256
from gnomon.core.errors import ModelError
from gnomon.core.protocols import Sampling
from gnomon.core.types import Json, Message, Transcript
from gnomon.models import generate as decoding
from gnomon.models.recalled import recalled
from gnomon.models.sampling import streams as sampling_streams

END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|end_of_turn|>")
"""Special tokens by which chat models end their turn, whatever their configuration says."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalModel:
    """A causal language model with its tokenizer; `dataclasses.replace` makes an adapted one."""

    model: Any
    """A transformers causal model, or a PEFT model around one."""
    tokenizer: Any
    identity: Mapping[str, str]
    """`name`, and digests of `weights` and `template`."""
    batch_tokens: int = 16384
    """Most positions (prompt after the shared prefix, and reply) that one batch holds in memory."""

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        where: torch.device = next(self.model.parameters()).device
        return where

    @property
    def context(self) -> int:
        """Most tokens that prompt and reply may have together."""
        return int(getattr(self.model.config, "max_position_embeddings", None) or 1_000_000)

    @functools.cached_property
    def stop_tokens(self) -> frozenset[int]:
        """Ids that end a reply: those of the generation configuration, the tokenizer, and known ends of turn."""
        configured = self.model.generation_config.eos_token_id
        ids = set(configured if isinstance(configured, list) else [configured])
        turns = {i for i, token in self.tokenizer.added_tokens_decoder.items() if str(token) in END_OF_TURN}
        return frozenset(i for i in ids | turns | {self.tokenizer.eos_token_id} if i is not None)

    def encode(self, transcript: Transcript, add_generation_prompt: bool = True) -> list[int]:
        """Token ids of a conversation through the model's chat template."""
        ids: list[int] = self._templated(transcript, add_generation_prompt=add_generation_prompt, tokenize=True)
        return ids

    def text(self, transcript: Transcript) -> str:
        """A conversation through the model's chat template, as text, up to where the model's reply begins."""
        return str(self._templated(transcript, add_generation_prompt=True, tokenize=False))

    def _templated(self, transcript: Transcript, **how: bool) -> Any:
        if not self.tokenizer.chat_template:
            raise ModelError(
                f"the tokenizer of {self.identity['name']} has no chat template; use an instruction-tuned model, "
                "or put a chat_template.jinja into its folder"
            )
        try:
            return self.tokenizer.apply_chat_template(
                [_plain(m) for m in recalled(transcript.messages)], return_dict=False, **how
            )
        except (jinja2.TemplateError, ValueError) as error:
            roles = ", ".join(m.role for m in transcript.messages) or "no messages"
            raise ModelError(
                f"the chat template of {self.identity['name']} cannot hold this conversation ({roles}): {error}"
            ) from error

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a reply's tokens, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def generate(self, *, prompts: Sequence[Transcript], sampling: Sampling) -> list[Transcript]:
        """One reply to each prompt, in order. Copies of one prompt in one call draw from different streams."""
        drawn = self.draw(
            [self.encode(p) for p in prompts], sampling_streams([p.id for p in prompts], seed=sampling.seed), sampling
        )
        return [p.answered(self.decode(d.ids)) for p, d in zip(prompts, drawn, strict=True)]

    def draw(
        self, prompts: Sequence[Sequence[int]], streams: Sequence[random.Random], sampling: Sampling
    ) -> list[decoding.Drawn]:
        """Tokens and their log-probabilities for encoded prompts, in order; each row draws from its own stream."""
        for ids in prompts:
            if len(ids) + sampling.max_new_tokens > self.context:
                raise ModelError(
                    f"a prompt of {len(ids)} tokens and a reply of {sampling.max_new_tokens} do not fit into the "
                    f"{self.context} tokens of {self.identity['name']}; shorten the prompt or set max_new_tokens to at "
                    f"most {max(0, self.context - len(ids))} (it ends: {self.decode(ids[-30:])!r})"
                )
        return decoding.draw(
            self.model,
            prompts=prompts,
            streams=streams,
            sampling=sampling,
            stop_tokens=self.stop_tokens,
            batch_tokens=self.batch_tokens,
        )


def open_folder(
    folder: Path, *, name: str, weights: str = "", dtype: str | None = None, device: str | None = None
) -> LocalModel:
    """A model from a transformers folder with safetensors; `dtype` as torch names it, None for the fastest here."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a model: it has no config.json; name a folder that save_pretrained wrote")
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=_dtype(dtype, where), local_files_only=True, use_safetensors=True
            )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise ModelError(f"{folder} cannot be loaded as a causal language model: {error}") from error
    identity = {
        "name": name,
        "weights": weights or folder_digest(folder),
        "template": sha256((tokenizer.chat_template or "").encode()),
    }
    return LocalModel(model=model.to(where).eval(), tokenizer=tokenizer, identity=identity)


def folder_digest(folder: Path) -> str:
    """Digest of a folder's safetensors files, by name and content."""
    return digest({p.name: file_digest(p) for p in sorted(folder.glob("*.safetensors"))})


def _dtype(asked: str | None, device: str) -> torch.dtype:
    if asked is not None:
        found = getattr(torch, asked, None)
        if not isinstance(found, torch.dtype) or not found.is_floating_point:
            raise ModelError(f"'{asked}' is not a floating-point type; write float32, bfloat16 or float16")
        return found
    fast = torch.cuda.is_bf16_supported() if device.startswith("cuda") else cpu_has_bfloat16()
    return torch.bfloat16 if fast else torch.float32


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX); elsewhere it would be slower."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers and huggingface_hub from printing; what matters comes as an error."""
    level, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hub_bars = not hub.are_progress_bars_disabled()  # type: ignore[attr-defined]
    hf_logging.set_verbosity(hf_logging.CRITICAL)
    hf_logging.disable_progress_bar()
    hub.disable_progress_bars()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if bars:
            hf_logging.enable_progress_bar()
        if hub_bars:
            hub.enable_progress_bars()  # type: ignore[attr-defined]


def _plain(message: Message) -> dict[str, Json]:
    plain: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.name:
        plain["name"] = message.name
    if message.tool_calls:
        plain["tool_calls"] = [
            {"type": "function", "id": c.id, "function": {"name": c.name, "arguments": dict(c.arguments)}}
            for c in message.tool_calls
        ]
    return plain
