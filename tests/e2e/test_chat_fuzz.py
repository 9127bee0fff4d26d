"""What the OpenAPI document says of chats is what a running server does, whatever it is sent."""

import itertools

import httpx2
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

from agents.chat_answering import OPERATIONS
from agents.chat_openapi import stream_paths
from aiops_mcp.surfaces.openapi import openapi_document

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT = openapi_document(
    [each for each in OPERATIONS if each.routes],
    version="1",
    needs_token=False,
    more_paths=stream_paths(),
)
API = schemathesis.openapi.from_dict(DOCUMENT)
CALLS = [call for found in API.get_all_operations() if "/chat/" in (call := found.ok()).path]


@pytest.fixture(scope="module")
def server(serve, aiops, fast, tmp_path_factory):
    home = tmp_path_factory.mktemp("fuzzed-chat")
    limits = {"AIOPS_RATE_ALL_PER_SECOND": "0", "AIOPS_RATE_CHAT_PER_MINUTE": "0"}
    with serve(home, [aiops, "serve"], **fast, **limits) as running:
        yield running.url


def test_every_route_is_called():
    assert len(CALLS) == 17


@pytest.fixture(scope="module")
def session(server):
    """A session that is there, with something said in it."""
    made = httpx2.post(f"{server}/api/v1/chat/sessions", json={}).json()["id"]
    said = f"{server}/api/v1/chat/sessions/{made}/messages"
    assert httpx2.post(said, json={"content": "Hello?"}, timeout=60).status_code == 200
    return made


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.label)
def test_answers_are_as_documented(server, session, call, mode):
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=call.as_strategy(generation_mode=mode))
    def ask(case):
        if "session" in case.path_parameters and case.method != "DELETE" and next(turns) % 2:
            case.path_parameters["session"] = session
        response = case.call(base_url=server, timeout=60)
        assert response.status_code < 500, f"{case.as_curl_command()}\n{response.text}"
        case.validate_response(response, checks=CHECKS)

    turns = itertools.count()
    try:
        ask()
    except Unsatisfiable:
        # Without arguments there is nothing to get wrong.
        assert mode is GenerationMode.NEGATIVE
