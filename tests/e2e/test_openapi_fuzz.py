"""What the OpenAPI document says is what a running server does, whatever it is sent.

Schemathesis draws requests from the document, and compares every answer with it. A cluster of the
demo that is away answers 503 in the contract's shape, which is right; any other answer of 500 and
above is a fault of ours.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aiops_mcp.operations import OPERATIONS
from aiops_mcp.surfaces.openapi import openapi_document

AWAY = {"CLUSTER_UNREACHABLE", "LOKI_NOT_AVAILABLE", "TEMPO_NOT_AVAILABLE", "QUERY_TIMEOUT"}
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT = openapi_document(OPERATIONS, version="1", needs_token=False, tags={})
API = schemathesis.openapi.from_dict(DOCUMENT)
CALLS = [found.ok() for found in API.get_all_operations()]
COSTLY = ("/analysis/", "/reports", "/logs/patterns")
"""Each of their answers asks the whole fleet a great deal."""


@pytest.fixture(scope="module")
def server(serve, aiops, fast, tmp_path_factory):
    home = tmp_path_factory.mktemp("fuzzed")
    with serve(home, [aiops, "demo"], **fast, AIOPS_RATE_ALL_PER_SECOND="0") as running:
        yield running.url


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.label)
def test_answers_are_as_documented(server, call, mode):
    @settings(
        max_examples=2 if any(part in call.label for part in COSTLY) else 6,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=call.as_strategy(generation_mode=mode))
    def ask(case):
        response = case.call(base_url=server, timeout=60)
        if response.status_code >= 500:
            error = response.json()["error"]
            assert error["code"] in AWAY, f"{case.as_curl_command()}\n{error}"
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        # Without arguments there is nothing to get wrong.
        assert mode is GenerationMode.NEGATIVE
