"""What `decode_library` does not test: any source, and the library's place in the user's cache."""

import ctypes
import shutil

import pytest

torch = pytest.importorskip("torch")

from gnomon.models.native import Unfit, compiled  # noqa: E402

FLAGS = ("-O0", "-shared", "-fPIC")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_source_is_compiled_anew_for_other_text_flags_and_type(tmp_path):
    source, folder = tmp_path / "some.c", tmp_path / "kept"
    source.write_text("int which(void) { return BF16; }")
    one, other = (compiled(source, dtype, FLAGS, folder) for dtype in (torch.float32, torch.bfloat16))
    assert [ctypes.CDLL(str(path)).which() for path in (one, other)] == [0, 1]
    assert compiled(source, torch.float32, FLAGS, folder) == one
    assert compiled(source, torch.float32, (*FLAGS, "-g"), folder) != one
    source.write_text("int which(void) { return 7; }")
    assert ctypes.CDLL(str(compiled(source, torch.float32, FLAGS, folder))).which() == 7
    assert {path.name[:5] for path in folder.iterdir()} == {"some-"}


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_source_with_an_error_is_named(tmp_path):
    (tmp_path / "some.c").write_text("int which(void) {")
    with pytest.raises(Unfit, match=r"did not compile some\.c"):
        compiled(tmp_path / "some.c", torch.float32, FLAGS, tmp_path / "kept")
