"""The tool list as clients see it: each change of it is read in review."""

import importlib.util
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent


def _update_golden() -> ModuleType:
    spec = importlib.util.spec_from_file_location("update_golden", HERE / "update_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_tool_list_is_the_golden_one() -> None:
    golden = _update_golden()
    expected = golden.GOLDEN.read_text("utf-8")
    assert await golden.tool_list() == expected, "run python tests/surfaces/update_golden.py"
