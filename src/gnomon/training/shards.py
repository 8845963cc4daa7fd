"""The files of a data set's split: one file, a folder of shards, or a hub id whose shards are fetched in turn.

It reads no rows (`data` does) and runs no code of a data set; only JSON lines and Parquet count.
Source: the naming of splits: the Hugging Face hub's rule of file names.
Fails: an unknown split, a missing shard, or a folder of several parts is a DataError that lists what there is.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

from gnomon.core.errors import DataError
from gnomon.models import hub

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")
SPLITS = {"train": ("train", "training"), "validation": ("validation", "valid", "dev"), "test": ("test", "eval")}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(/[\w./-]+)?(@[\w./-]+)?")
OF_MANY = re.compile(r"-(\d{5})-of-(\d{5})")


@dataclass(frozen=True)
class Shard:
    """A file with rows: the name that errors give it, and how its path is had."""

    name: str
    path: Callable[[], Path]


def shards(source: str | Path, split: str = "train") -> list[Shard]:
    """The files of a split, in the order of their names. A single file is every split."""
    path = Path(source)
    if path.is_file():
        if not str(path).endswith(ENDINGS):
            raise DataError(f"{path} ends with none of {', '.join(ENDINGS)}; write it as JSON lines, one object a line")
        return [Shard(str(path), lambda: path)]
    if path.is_dir():
        return _local(path, str(path), split)
    if path.is_absolute() or not HUB_ID.fullmatch(str(source)):
        raise DataError(f"{source}: there is no such file or folder, and it is no hub id like org/name")
    return _remote(str(source), split)


def _local(folder: Path, name: str, split: str) -> list[Shard]:
    names = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]
    return [Shard(f"{name}/{n}", lambda n=n: folder / n) for n in _of_split(names, split, name)]  # type: ignore[misc]


def _of_split(names: Sequence[str], split: str, where: str) -> list[str]:
    """Names of the files of a split, of one part and one format, none missing."""
    known = sorted(n for n in names if n.endswith(ENDINGS) and not any(p.startswith(".") for p in Path(n).parts))
    if not known:
        raise DataError(f"{where} has no {', '.join(ENDINGS)}; for a hub id, try {where}@refs/convert/parquet")
    found = _matching(known, split, strict=True) or _matching(known, split, strict=False)
    named = sorted({s for s in SPLITS for n in known if _matching([n], s, strict=False)})
    if not found and split == "train" and not named:
        found = known
    if not found:
        raise DataError(
            f"{where} has no split '{split}'; there is: {', '.join(named or sorted(set(map(_part, known))))}"
        )
    parts = sorted({_part(n) for n in found})
    if len(parts) > 1:
        raise DataError(f"{where} has several parts: {', '.join(parts)}; name {where}/PART, or the part as the split")
    endings = {n.partition(".")[2] for n in found}
    if len(endings) > 1:
        raise DataError(f"{where}: split '{split}' lies there as {' and as '.join(sorted(endings))}; name one file")
    for stem, of in {(OF_MANY.sub("", n), m[2]) for n in found if (m := OF_MANY.search(n))}:
        have = {int(m[1]) for n in found if OF_MANY.sub("", n) == stem and (m := OF_MANY.search(n))}
        if lost := sorted(set(range(int(of))) - have):
            raise DataError(f"{where}: shard {lost[0]:05d} of {of} of {stem} is missing; fetch it, rows would be lost")
    return found


def _matching(names: Sequence[str], split: str, *, strict: bool) -> list[str]:
    """Names that state the split as a word; unless strict, as a part of one, as train_sft does."""
    word = "|".join(map(re.escape, SPLITS.get(split, (split,))))
    edge = r"[/.\-]|\d" if strict else r"[/._\-]|\d"
    return [n for n in names if re.search(rf"(^|{edge})({word})({edge}|$)", n)]


def _part(name: str) -> str:
    """A path without what numbers shards: of data/train-00000-of-00002-0123456789abcdef.parquet, train."""
    stem = re.sub(r"[-_]?(part|shard|chunk)?[-_]?\d+(-of-\d+)?(-[0-9a-f]{16})?$", "", Path(name).name.partition(".")[0])
    return "/".join([*(p for p in Path(name).parent.parts if p != "data"), *filter(None, [stem])])


def _remote(source: str, split: str) -> list[Shard]:
    """Shards of a hub id `org/name[/part][@revision]`; without a network, those that are on this disk."""
    whole, _, revision = source.partition("@")
    parts = whole.split("/")
    name, part = "/".join(parts[:2]), "/".join(parts[2:])
    if why := hub.unreachable():
        return _on_disk(name, part, revision, split, why)
    try:
        about = huggingface_hub.HfApi().dataset_info(name, revision=revision or None, timeout=hub.SECONDS)
    except GatedRepoError as error:
        raise DataError(f"{name} asks for consent: accept its terms on its page there, then `hf auth login`") from error
    except RepositoryNotFoundError as error:
        raise DataError(f"there is no data set '{name}' on the hub, or it is private; check the spelling") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise DataError(f"{name} could not be fetched from the hub: {error}") from error
    below = f"{part}/" if part else ""
    names = [f.rfilename for f in about.siblings or () if f.rfilename.startswith(below)]

    def fetch(file: str) -> Path:
        try:
            return Path(huggingface_hub.hf_hub_download(name, file, repo_type="dataset", revision=about.sha))
        except (HfHubHTTPError, OSError) as error:
            raise DataError(f"{name}/{file} could not be fetched from the hub: {error}") from error

    found = _of_split([n.removeprefix(below) for n in names], split, whole)
    return [Shard(f"{whole}/{n}", lambda n=n: fetch(below + n)) for n in found]  # type: ignore[misc]


def _on_disk(name: str, part: str, revision: str, split: str, why: str) -> list[Shard]:
    try:
        folder = huggingface_hub.snapshot_download(
            name, repo_type="dataset", revision=revision or None, local_files_only=True
        )
    except HFValidationError as error:
        raise DataError(f"'{name}' is not a Hugging Face id: {error}; write org/name or org/name@revision") from error
    except OSError as error:
        raise DataError(
            f"{name} is neither a file nor on this disk, and the hub cannot be reached ({why}). Where there is a "
            f"network, run\n    hf download --repo-type dataset {name}\nand copy the folder here, then name that folder"
        ) from error
    return _local(Path(folder) / part, "/".join(filter(None, (name, part))), split)
