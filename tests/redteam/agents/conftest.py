import importlib.util
from typing import Any

import pytest

needs_agentdojo = pytest.mark.skipif(
    importlib.util.find_spec("agentdojo") is None, reason="needs the package agentdojo: pip install 'gnomon[agents]'"
)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """The package sets nothing right about warnings of its own dependencies."""
    for item in items:
        if "redteam/agents" in str(item.fspath):
            item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning"))
