"""The official MCP conformance suite passes in full, on the wire of both protocol eras."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def _load_runner() -> ModuleType:
    path = Path(__file__).with_name("run.py")
    spec = importlib.util.spec_from_file_location("conformance_run", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


runner = _load_runner()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    try:
        runner.install()
    except runner.Unavailable as error:
        if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with runner.served() as address:
        yield address


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("revision", sorted(runner.REQUIRED))
def test_every_required_scenario_passes(revision: str, url: str) -> None:
    outcome = runner.run(revision, url)

    assert outcome.failed == (), outcome.log[-4000:]
    assert len(outcome.passed) == runner.REQUIRED[revision], outcome.log[-4000:]
    assert outcome.checks >= 65
