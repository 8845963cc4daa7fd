"""What may stand after --model, and what is said when it is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from gnomon.core.errors import ModelError, SettingsError
from gnomon.models.endpoint import Endpoint
from gnomon.models.load import load
from gnomon.models.scripted import ScriptedModel


def test_endpoint(tmp_path: Path) -> None:
    model = load("http://127.0.0.1:8000/v1/#org/name", cache=tmp_path, api_key="secret")
    assert isinstance(model, Endpoint)
    assert (model.url, model.model, model.api_key) == ("http://127.0.0.1:8000/v1", "org/name", "secret")


def test_an_endpoints_settings_are_checked(tmp_path: Path) -> None:
    model = load("http://127.0.0.1:8000/v1#m", cache=tmp_path, remote={"seconds": 3, "max_requests": None})
    assert isinstance(model, Endpoint)
    assert (model.seconds, model.max_requests) == (3.0, None)
    with pytest.raises(SettingsError, match="did you mean 'seconds'"):
        load("http://127.0.0.1:8000/v1#m", cache=tmp_path, remote={"second": 3})
    with pytest.raises(SettingsError, match="tries >= 1"):
        load("http://127.0.0.1:8000/v1#m", cache=tmp_path, remote={"tries": 0})


def test_endpoint_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"write http://127\.0\.0\.1:8000/v1#model-name"):
        load("http://127.0.0.1:8000/v1", cache=tmp_path)


def test_scripted(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text("default: hello")
    assert isinstance(load(f"scripted:{path}", cache=tmp_path), ScriptedModel)


@pytest.mark.parametrize("spec", ["./nowhere", "/no/such/folder", "gpt2", "embeded"])
def test_a_missing_model_lists_the_forms(tmp_path: Path, spec: str) -> None:
    with pytest.raises(ModelError, match="write 'embedded', a folder, a Hugging Face id"):
        load(spec, cache=tmp_path)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load(str(tmp_path), cache=tmp_path)


def test_without_torch_these_still_import() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = sys.modules['numpy'] = None\n"
        "import gnomon.models.load, gnomon.models.endpoint, gnomon.models.scripted\n"
        "from pathlib import Path; from gnomon.core.errors import ModelError\n"
        "try: gnomon.models.load.load(sys.argv[1], cache=Path('.'))\n"
        "except ModelError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "."], capture_output=True, text=True, check=True)
    assert "install gnomon[train]" in done.stdout
