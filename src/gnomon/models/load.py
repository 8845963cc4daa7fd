"""From what a user writes after --model to a Model.

It reads no environment and imports torch only for models that run in this process.
Fails: whatever is missing, the ModelError says what to write.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gnomon.core import settings
from gnomon.core.errors import ModelError
from gnomon.core.protocols import Model
from gnomon.core.types import Json

FORMS = (
    "write 'embedded', a folder, a Hugging Face id (org/name or org/name@revision), http://host/v1#model-name, "
    "or scripted:FILE"
)


def load(
    spec: str | None,
    *,
    cache: Path,
    dtype: str | None = None,
    device: str | None = None,
    api_key: str = "",
    remote: Mapping[str, Json] = MappingProxyType({}),
) -> Model:
    """The model that `spec` names; nothing or "embedded" is the embedded default, kept below `cache`.

    `remote` holds settings of an endpoint: seconds, tries, concurrency, max_requests and the like.
    """
    if spec is None or spec in ("", "embedded"):
        return _embedded(cache, dtype, device)
    if spec.startswith("scripted:"):
        from gnomon.models.scripted import from_file

        return from_file(Path(spec.removeprefix("scripted:")))
    if spec.startswith(("http://", "https://")):
        return _endpoint(spec, api_key, remote)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _folder(path, dtype, device)
    if re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", spec) and spec[0] != "." and not path.exists():
        return _hub(spec, dtype, device)
    raise ModelError(f"no model '{spec}': there is no such folder; {FORMS}")


def _embedded(cache: Path, dtype: str | None, device: str | None) -> Model:
    from gnomon.models import embedded

    folder = embedded.folder(cache)
    local = _local()
    weights = embedded.weights_digest(folder)
    model: Model = local.open_folder(folder, name=embedded.NAME, weights=weights, dtype=dtype, device=device)
    return model


def _folder(path: Path, dtype: str | None, device: str | None) -> Model:
    model: Model = _local().open_folder(path, name=path.resolve().name, dtype=dtype, device=device)
    return model


def _hub(spec: str, dtype: str | None, device: str | None) -> Model:
    local = _local()
    from gnomon.models.hub import snapshot

    model: Model = local.open_folder(snapshot(spec), name=spec, dtype=dtype, device=device)
    return model


def _endpoint(spec: str, api_key: str, remote: Mapping[str, Json]) -> Model:
    from gnomon.models.endpoint import Endpoint

    url, _, name = spec.partition("#")
    if not name:
        raise ModelError(f"'{spec}' does not say which model; write {spec.rstrip('/')}#model-name")
    given = {"url": url.rstrip("/"), "model": name, "api_key": api_key, **remote}
    return settings.make(Endpoint, given, name="the remote model")


def _local() -> Any:
    try:
        from gnomon.models import local
    except ImportError as error:
        raise ModelError(f"a model in this process needs {error.name}; install gnomon[train]") from error
    return local
