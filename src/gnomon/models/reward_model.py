"""A reward model: a causal language model with a scalar head, its calibration, and the folder that holds them.

It is a Dimension: `score` squashes the standardised reward into (0, 1), `rewards` gives the raw one. It trains nothing.
A folder is a transformers folder with head.safetensors, and reward.json, which names the digest of every other file.
Source: Bradley and Terry 1952, P(a over b) = sigma(r_a - r_b); a Gaussian head: the likelihoods of the loss
`gaussian_reward`; temperature: Guo et al. 1706.04599, section 4.2.
Shapes: `B` replies, `F` outputs of the head: a reward, or the mean and log-variance of one.
Units: rewards in log-odds of being preferred. An empty reply is judged like any other; without one, no score.
Fails: closed; a missing, damaged or exchanged file, or a tokenizer with more words than the model, is a ModelError.
"""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gnomon.core.canonical import digest, file_digest, from_builtins, to_builtins
from gnomon.core.errors import DataError, ModelError, SettingsError
from gnomon.core.files import json_text, read_text, storage, write_atomic
from gnomon.core.protocols import Direction
from gnomon.core.types import Json, Score, Transcript
from gnomon.models import adapters, heads
from gnomon.models.adapters import Adapter
from gnomon.models.local import LocalModel, open_folder
from gnomon.models.packing import pack, packed_length

HEAD, MANIFEST, FORM = "head.safetensors", "reward.json", "gnomon reward model 1"
ROW_TOKENS = 4096
"""Most tokens that are judged in one pass."""

Tokens = tuple[Sequence[int], Sequence[int]]
"""A prompt and a reply that ends with the end token."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """How much of a conversation is read: each part by itself, so that a reply is judged alike alone and in a pair."""

    prompt: int | None = None
    """The last so many tokens of the prompt."""
    reply: int | None = None
    """The first so many tokens of the reply; its end token comes behind them."""

    def __post_init__(self) -> None:
        if any(most is not None and most < 1 for most in (self.prompt, self.reply)):
            raise SettingsError(f"lengths are tokens from 1 on, or none for all, not {self.prompt} and {self.reply}")

    def cut(self, prompt: Sequence[int], completion: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Prompt and completion as the model reads them."""
        *reply, end = completion
        return tuple(prompt[-(self.prompt or 0) :]), (*reply[: self.reply], end)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the raw numbers mean, measured on replies that were not trained on."""

    mean: float = 0.0
    """Raw reward of an average reply."""
    deviation: float = 1.0
    """Standard deviation of raw rewards over replies."""
    temperature: float = 1.0
    """The log-odds of a preference are divided by it."""
    link: Literal["logistic", "probit"] = "logistic"
    """How a difference of Gaussian rewards becomes a preference."""

    def __post_init__(self) -> None:
        if not (self.deviation > 0 and self.temperature > 0 and math.isfinite(self.mean)):
            raise ModelError(f"a calibration needs a deviation and a temperature above 0, not {self}")


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardModel:
    """A language model that judges replies. Its head is attached to the language model."""

    local: LocalModel
    """The language model with its head, and its tokenizer."""
    calibration: Calibration = Calibration()
    lengths: Lengths = Lengths()
    origin: Mapping[str, Json] = field(default_factory=dict)
    """What it was made from: `start`, the digest of the weights before training, and whatever else is known."""
    adapter: Adapter | None = None
    """An adapter that is not yet folded into the weights."""
    direction: ClassVar[Direction] = "higher is better"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        words, rows = len(self.local.tokenizer), self.local.model.get_input_embeddings().num_embeddings
        if words > rows:
            raise ModelError(
                f"the tokenizer knows {words} tokens, but the model only {rows}: they do not belong together; "
                "use the tokenizer that came with the model"
            )
        if self.features not in (1, 2):
            raise ModelError(f"a reward head has 1 output or 2 (mean, log-variance), not {self.features}")

    @property
    def head(self) -> nn.Linear:
        """The scalar head."""
        return heads.head(self.local.model)

    @property
    def features(self) -> int:
        """1: a reward (Bradley-Terry); 2: mean and log-variance of a Gaussian one."""
        return self.head.out_features

    @property
    def identity(self) -> Mapping[str, str]:
        """`name`, and digests of `weights` (with the head's) and `template`."""
        return self.local.identity

    def score(self, *, transcript: Transcript) -> Score:
        """Sigmoid of the standardised reward: 0.5 is an average reply."""
        return self.scores(transcripts=[transcript])[0]

    def scores(self, *, transcripts: Sequence[Transcript]) -> list[Score]:
        """The same of several replies, which costs less; one that cannot be judged is unscored."""
        read = [self.read(t) for t in transcripts]
        values = iter(self.squashed(self.judge([r for r in read if not isinstance(r, str)])[:, 0]).tolist())
        return [Score.unscored(r) if isinstance(r, str) else Score(value=next(values)) for r in read]

    def rewards(self, transcripts: Sequence[Transcript]) -> Tensor:
        """Raw reward of each last reply, `B`; of a Gaussian one the mean."""
        return self.outputs(transcripts)[:, 0]

    def standardised(self, transcripts: Sequence[Transcript]) -> Tensor:
        """Rewards in standard deviations from that of an average reply, `B`."""
        return (self.rewards(transcripts) - self.calibration.mean) / self.calibration.deviation

    def squashed(self, reward_B: Tensor) -> Tensor:
        """Raw rewards as values in (0, 1)."""
        return torch.sigmoid((reward_B - self.calibration.mean) / self.calibration.deviation)

    def preference(self, first: Sequence[Transcript], second: Sequence[Transcript]) -> Tensor:
        """Probability that each first reply is the better one, `B`."""
        output = self.outputs([*first, *second])
        return torch.sigmoid(self.log_odds(output[: len(first)], output[len(first) :]) / self.calibration.temperature)

    def log_odds(self, first_BF: Tensor, second_BF: Tensor) -> Tensor:
        """Log-odds that each first output is the better one, before the temperature, `B`."""
        gap_B = first_BF[:, 0] - second_BF[:, 0]
        if self.features == 1:
            return gap_B
        log_variance_B = torch.logaddexp(first_BF[:, 1], second_BF[:, 1])
        if self.calibration.link == "probit":
            scaled_B = gap_B * torch.exp(-0.5 * softplus(log_variance_B))
            odds_B: Tensor = torch.special.log_ndtr(scaled_B) - torch.special.log_ndtr(-scaled_B)
            return odds_B
        return gap_B * torch.exp(-0.5 * softplus(log_variance_B + math.log(math.pi / 8)))

    def outputs(self, transcripts: Sequence[Transcript]) -> Tensor:
        """What the head says of each last reply, `B` x `F`, on the CPU. Raises DataError where there is none."""
        replies = []
        for index, transcript in enumerate(transcripts):
            found = self.read(transcript)
            if isinstance(found, str):
                raise DataError(f"transcript {index} has no reward: {found}")
            replies.append(found)
        return self.judge(replies)

    def read(self, transcript: Transcript) -> Tokens | str:
        """Prompt and last reply as training read them; or why there is nothing to judge."""
        if len(transcript.messages) < 2 or transcript.messages[-1].role != "assistant":
            return "the conversation does not end with a reply of the assistant"
        tokenizer = self.local.tokenizer
        reply = tokenizer.encode(transcript.reply, add_special_tokens=False)
        try:
            prompt = self.local.encode(Transcript(transcript.messages[:-1]))
        except ModelError as error:
            return str(error)
        cut = self.lengths.cut(prompt, [*reply, tokenizer.eos_token_id])
        long = sum(map(len, cut))
        if long > self.local.context:
            return (
                f"the conversation has {long} tokens, {self.identity['name']} reads {self.local.context}; "
                "shorten it, or train the reward model with lengths"
            )
        return cut

    @torch.no_grad()
    def judge(self, replies: Sequence[Tokens]) -> Tensor:
        """What the head says of prompts and completions in tokens, which it cuts, `B` x `F`, on the CPU."""
        cut = [self.lengths.cut(prompt, completion) for prompt, completion in replies]
        found = torch.empty(len(cut), self.features, dtype=torch.promote_types(self.head.weight.dtype, torch.float32))
        for part in _rows(cut):
            packed = pack([cut[i][0] for i in part], [cut[i][1] for i in part])
            found[part] = heads.sequence_outputs(self.local.model, packed).cpu()
        return found

    def save(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Write the folder, whole or not at all; `dtype` of the weights is by default the model's."""
        with storage(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            try:
                made = beside / "made"
                files = adapters.write_folder(self.local.model, self.adapter, self.local.tokenizer, made, dtype=dtype)
                weight = self.head.weight.detach().cpu().contiguous()
                write_atomic(made / HEAD, safetensors.torch.save({"weight": weight}))
                write_atomic(made / MANIFEST, self._manifest({**files, HEAD: file_digest(made / HEAD)}))
                if folder.exists():
                    shutil.rmtree(folder)
                os.replace(made, folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)

    def _manifest(self, files: Mapping[str, str]) -> str:
        stated = _Manifest(
            form=FORM,
            features=self.features,
            calibration=self.calibration,
            lengths=self.lengths,
            origin=dict(self.origin),
            files=dict(files),
        )
        return json_text(to_builtins(stated))


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """What reward.json states."""

    form: str
    features: int
    calibration: Calibration
    lengths: Lengths
    origin: dict[str, Any]
    files: dict[str, str]


def load(folder: Path, *, dtype: str | None = None, device: str | None = None) -> RewardModel:
    """The reward model that a folder holds; every file is what was written, or ModelError."""
    stated = _read(folder)
    for name, wanted in stated.files.items():
        with storage(folder):
            found = file_digest(folder / name) if (folder / name).is_file() else ""
        if found != wanted:
            state = "is not what was written" if found else "is missing"
            raise ModelError(f"{folder / name} {state}; copy the folder again, or train the reward model again")
    weights = digest({name: stated.files[name] for name in sorted(stated.files) if name.endswith(".safetensors")})
    local = open_folder(folder, name=folder.resolve().name, weights=weights, dtype=dtype, device=device)
    head = heads.attach(local.model, features=stated.features)
    stored = safetensors.torch.load((folder / HEAD).read_bytes())
    if stored.keys() != {"weight"} or stored["weight"].shape != head.weight.shape:
        raise ModelError(f"{folder / HEAD} is a head for another model; copy the folder again")
    head.load_state_dict(stored)
    local.model.requires_grad_(False)
    return RewardModel(local=local, calibration=stated.calibration, lengths=stated.lengths, origin=stated.origin)


def recalibrate(folder: Path, calibration: Calibration) -> None:
    """State another calibration of the same weights."""
    write_atomic(folder / MANIFEST, json_text(to_builtins(replace(_read(folder), calibration=calibration))))


def _rows(replies: Sequence[Tokens]) -> Iterator[list[int]]:
    """Indices that are judged together: replies to one prompt side by side, and alike in length."""
    row: list[int] = []
    for i in sorted(range(len(replies)), key=lambda i: (len(replies[i][0]), replies[i])):
        if row and packed_length([(*replies[j][0], *replies[j][1]) for j in (*row, i)]) > ROW_TOKENS:
            yield row
            row = []
        row.append(i)
    if row:
        yield row


def _read(folder: Path) -> _Manifest:
    if not (folder / MANIFEST).is_file():
        raise ModelError(
            f"{folder} is not a reward model: it has no {MANIFEST}; `gnomon align --method reward` writes one"
        )
    try:
        raw = json.loads(read_text(folder / MANIFEST))
        stated = from_builtins(raw, _Manifest, where=str(folder / MANIFEST))
    except (json.JSONDecodeError, DataError) as error:
        raise ModelError(f"{folder / MANIFEST} is damaged: {error}; copy the folder again") from error
    if stated.form != FORM or HEAD not in stated.files:
        raise ModelError(f"{folder / MANIFEST} says {stated.form!r}; this version reads {FORM!r}")
    return stated
