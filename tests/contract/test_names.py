"""The public names: what `import gnomon` gives and what each room offers are few and sorted."""

import ast

import gnomon
from gnomon.core import plugin

from .tree import FILES, SOURCE, parsed

MOST = 30


def test_public_names_are_few_and_sorted() -> None:
    listed = getattr(gnomon, "__all__", [])
    assert listed == sorted(listed)
    assert len(listed) <= MOST
    assert all(hasattr(gnomon, n) for n in listed)


def test_the_version_is_stated() -> None:
    assert gnomon.__version__.count(".") == 2


def test_inits_only_name_what_the_room_offers() -> None:
    """The folder is the registry: in a folder of plug-ins an `__init__` would be a second one."""
    folders = {SOURCE.parent.joinpath(*dotted.split(".")) for dotted in plugin.FOLDERS.values()}
    for path in FILES:
        if path.name == "__init__.py" and path.parent != SOURCE:
            body = [n for n in parsed(path).body if not isinstance(n, ast.Expr)]
            assert not (body and path.parent in folders), f"{path}: leave it empty"
            assert all(isinstance(n, ast.ImportFrom | ast.Assign) for n in body), f"{path}: names only"


def test_plugin_names_are_plain_words() -> None:
    for kind in plugin.FOLDERS:
        for name in plugin.names(kind):
            assert name.isidentifier()
            assert name == name.lower()
