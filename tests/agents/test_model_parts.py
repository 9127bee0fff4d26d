"""What the model client decides, without HTTP: addresses, faults, standing, lists, estimates."""

import ssl

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import model_faults as faults
from agents.conversation import ModelRequest, ToolCall, ToolSpec, Turn
from agents.model_address import OneHost, address_of
from agents.model_listing import context_in_props, offered_in
from agents.model_standing import Standing
from agents.model_wire import EVERYTHING, PLAIN, Feature, refused_feature, request_body
from agents.tokens import estimate_tokens, estimate_tools, estimate_turns

KEY = "sk-planted-Xw9QeR72kdLm"


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "base", "model", "shown"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", None, "http://127.0.0.1:8000/v1"),
        (" http://h/v1/#a/b:7 ", "http://h/v1", "a/b:7", "http://h/v1"),
        ("https://h/v1?key=s3cret", "https://h/v1?key=s3cret", None, "https://h/v1"),
        ("http://[::1]:8000", "http://[::1]:8000", None, "http://[::1]:8000"),
        ("http://h/v1/chat/completions", "http://h/v1", None, "http://h/v1"),
    ],
)
def test_addresses(url, base, model, shown):
    address = address_of(url)
    assert (address.base_url, address.model, address.shown) == (base, model, shown)


class Recorded(httpx2.AsyncBaseTransport):
    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    async def handle_async_request(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def one_host(*answers, api_key=None, max_bytes=100):
    inner = Recorded(*answers)
    address = address_of("http://model:8000/v1")
    return inner, OneHost(inner, address, api_key=api_key, max_bytes=max_bytes)


@pytest.mark.parametrize(
    "url",
    ["http://other:8000/v1", "https://model:8000/v1", "http://model:8001/v1", "http://model/"],
)
async def test_no_other_host_is_asked(url):
    inner, transport = one_host()
    with pytest.raises(httpx2.UnsupportedProtocol, match="configured"):
        await transport.handle_async_request(httpx2.Request("GET", url))
    assert inner.requests == []


async def test_headers_are_few():
    inner, transport = one_host(httpx2.Response(200), api_key=KEY)
    headers = {"x-stainless-os": "Linux", "cookie": "a=b", "authorization": "Bearer other"}
    request = httpx2.Request("POST", "http://model:8000/v1/x", headers=headers, json={})
    await transport.handle_async_request(request)
    assert dict(inner.requests[0].headers) == {
        "host": "model:8000",
        "content-length": "2",
        "content-type": "application/json",
        "user-agent": "aiops",
        "accept-encoding": "identity",
        "authorization": f"Bearer {KEY}",
    }


async def test_a_long_answer_is_cut_off():
    _, transport = one_host(httpx2.Response(200, stream=httpx2.ByteStream(b"x" * 101)))
    response = await transport.handle_async_request(httpx2.Request("GET", "http://model:8000/"))
    with pytest.raises(httpx2.DecodingError, match="more than 100 bytes"):
        await response.aread()


async def test_a_connection_that_was_kept_too_long_is_made_anew():
    gone = httpx2.RemoteProtocolError("Server disconnected")
    inner, transport = one_host(gone, httpx2.Response(200))
    request = httpx2.Request("GET", "http://model:8000/")
    assert (await transport.handle_async_request(request)).status_code == 200
    assert len(inner.requests) == 2
    _, transport = one_host(gone, gone)
    with pytest.raises(httpx2.RemoteProtocolError):
        await transport.handle_async_request(request)


async def test_a_connection_that_cannot_be_made_is_not_tried_twice():
    inner, transport = one_host(httpx2.ConnectError("refused"))
    with pytest.raises(httpx2.ConnectError):
        await transport.handle_async_request(httpx2.Request("GET", "http://model:8000/"))
    assert len(inner.requests) == 1


# --- faults -----------------------------------------------------------------------------------


def refusal(status=400, body=None, text="", headers=None, secret=None):
    return faults.refusal_in(status, body, text=text, headers=headers or {}, secret=secret)


@pytest.mark.parametrize(
    ("body", "text", "reason"),
    [
        ({"error": {"message": "nested"}}, "", "nested"),
        ({"object": "error", "message": "flat"}, "", "flat"),
        ({"error": "a text"}, "", "a text"),
        ({"detail": "fastapi"}, "", "fastapi"),
        ("told in the stream", "", "told in the stream"),
        (None, "plain  text\n", "plain text"),
        ({"error": {"message": None}}, "{raw}", "{raw}"),
        ({"detail": [{"msg": "x"}]}, "[raw]", "[raw]"),
        (None, "<html>secret page</html>", ""),
        ({"error": {"message": f"bad key {KEY}"}}, "", "bad key [key]"),
        ({"error": {"message": "\x1b[31mred\u202e"}}, "", "red"),
    ],
)
def test_what_was_said(body, text, reason):
    assert refusal(body=body, text=text, secret=KEY).reason == reason


def test_a_long_reason_is_cut():
    reason = refusal(body={"message": "x" * 9000}).reason
    assert len(reason) == 300
    assert reason.endswith("…")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        (" 7 ", 7.0),
        ("99999999", 3600.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 25 Nov 2026 14:00:00 GMT", None),
        ("", None),
    ],
)
def test_when_to_come_back(told, seconds):
    assert refusal(429, headers={"retry-after": told}).wait == seconds


VLLM_NEW = (
    "This model's maximum context length is 4096 tokens. However, you requested 1500 output "
    "tokens and your prompt contains at least 2597 input tokens, for a total of at least 4097."
)
VLLM_OLD = (
    "This model's maximum context length is 8192 tokens. However, you requested 8300 tokens "
    "(6800 in the messages, 1500 in the completion). Please reduce the length."
)
VLLM_LARGE = (
    "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context "
    "length is 4096 tokens and your request has 30 input tokens (5000 > 4096 - 30)."
)
LLAMA = "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it"
SGLANG = "The input (9000 tokens) is longer than the model's context length (8192 tokens)."
TGI = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"


@pytest.mark.parametrize(
    ("message", "context", "prompt"),
    [
        (VLLM_NEW, 4096, None),
        (VLLM_OLD, 8192, 6800),
        (VLLM_LARGE, 4096, 30),
        (LLAMA, 8192, 9000),
        (SGLANG, 8192, 9000),
        (TGI, 4096, None),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200_000, 210_000),
        ("max_tokens must be at least 1, got -100.", None, None),
    ],
)
def test_overflow_as_it_is_told(message, context, prompt):
    overflow = faults.overflow_in(refusal(body={"message": message}))
    assert overflow is not None
    assert overflow.details.get("context_tokens") == context
    assert overflow.details.get("prompt_tokens") == prompt
    assert overflow.hint


@pytest.mark.parametrize(
    "message", ["", "the context is odd", "max_tokens is not an integer", "maximum length of stop"]
)
def test_what_is_no_overflow(message):
    assert faults.overflow_in(refusal(body={"message": message})) is None


def test_a_certificate_that_is_not_trusted():
    cause = ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED: self-signed certificate")
    error = httpx2.ConnectError("failed")
    error.__cause__ = cause
    fault = faults.unreachable("https://h/v1", error)
    assert "is not trusted" in fault.message
    assert "AIOPS_MODEL_CA_FILE" in fault.hint
    assert not fault.transient


def test_several_faults_are_one_error():
    one = faults.ModelFault("http://a", "answered 429", "Ask later.", wait=9.0)
    two = faults.ModelFault("http://b", "is away.", "Start it.", wait=4.0)
    error = faults.joined((one, two))
    assert error.message == (
        "No language model answers. The model server http://a answered 429. "
        "The model server http://b is away."
    )
    assert error.hint == "Ask later."
    assert error.details == {"retry_after_seconds": 4.0}
    assert faults.joined((one,)) is one
    assert "AIOPS_MODEL_URLS" in faults.joined(()).hint


@pytest.mark.parametrize(
    ("status", "transient", "refused"),
    [
        *((status, True, False) for status in (408, 429, 500, 502, 503, 504, 0)),
        *((status, False, True) for status in (400, 413, 422)),
        *((status, False, False) for status in (301, 401, 403, 404)),
    ],
)
def test_what_may_be_asked_again(status, transient, refused):
    fault = faults.refused("http://a", refusal(status, {"message": "x"}), model="m")
    assert (fault.transient, fault.refused) == (transient, refused)


def test_an_unknown_path_is_not_an_unknown_model():
    path = faults.refused("http://a", refusal(404, {"detail": "Not Found"}), model="m")
    model = faults.refused("http://a", refusal(404, {"message": "The model x …"}), model="x")
    assert not path.unknown_model
    assert model.unknown_model
    assert "'x'" in model.message


# --- what is sent -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "feature"),
    [
        ("Unknown field: stream_options", Feature.USAGE),
        ("Unsupported parameter: 'max_completion_tokens'", Feature.MAX_COMPLETION_TOKENS),
        ("Invalid schema for function 'x': 'required' is required", Feature.STRICT),
        ("tools.0.function.strict: Extra inputs", Feature.STRICT),
        ("tool_choice 'required' is not supported", Feature.CHOICE),
        ("Only temperature 1 is supported", Feature.TEMPERATURE),
        ("JSON schema is not supported by xgrammar", Feature.STRICT),
        ("needs --enable-auto-tool-choice for tool_choice auto", None),
        ("something else", None),
    ],
)
def test_which_field_is_refused(message, feature):
    assert refused_feature(message, EVERYTHING) is feature
    assert refused_feature(message, PLAIN) is None


def test_a_plain_request():
    tool = ToolSpec("a", "b", {})
    request = ModelRequest([Turn("user", "x")], tools=[tool], tool_choice="required")
    body = request_body(request, model="m", temperature=0.1, max_tokens=5, dialect=PLAIN)
    function = {"name": "a", "description": "b", "parameters": {"type": "object", "properties": {}}}
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "stream": True,
        "max_tokens": 5,
        "tools": [{"type": "function", "function": function}],
    }


def test_where_no_choice_is_understood_none_means_no_tools():
    request = ModelRequest([], tools=[ToolSpec("a", "b", {})], tool_choice="none")
    body = request_body(request, model="m", temperature=0, max_tokens=5, dialect=PLAIN)
    assert "tools" not in body


@given(st.text(), st.text())
def test_calls_are_told_back_in_a_form_that_templates_can_read(name, raw):
    turns = [Turn("assistant", "", tool_calls=(ToolCall("i", name, None, raw),))]
    body = request_body(ModelRequest(turns), model="m", temperature=0, max_tokens=5)
    function = body["messages"][0]["tool_calls"][0]["function"]
    assert function["arguments"] == "{}"
    assert 0 < len(function["name"]) <= 64
    assert all(
        letter.isascii() and (letter.isalnum() or letter in "_-") for letter in function["name"]
    )


# --- how a server stands ----------------------------------------------------------------------


def fault(*, wait=None, slow=False):
    return faults.ModelFault("http://a", "was busy", "Wait.", wait=wait, slow=slow)


def test_a_server_that_fails_comes_last_for_longer_and_longer():
    now = [0.0]
    standing = Standing(lambda: now[0])
    assert standing.is_fit
    for seconds in (2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        standing.failed(fault())
        now[0] += seconds - 0.01
        assert not standing.is_fit
        assert standing.seconds_barred == 0
        now[0] += 0.02
        assert standing.is_fit
    standing.succeeded()
    standing.failed(fault())
    now[0] += 2.01
    assert standing.is_fit


def test_a_slow_server_is_not_asked_for_a_while():
    now = [100.0]
    standing = Standing(lambda: now[0])
    standing.failed(fault(slow=True))
    assert standing.seconds_barred == 15.0
    now[0] += 15.0
    assert standing.seconds_barred == 0
    standing.failed(fault(slow=True))
    assert standing.seconds_barred == 30.0
    for _ in range(20):
        standing.failed(fault(slow=True))
    assert standing.seconds_barred == 30.0  # they all waited for the same
    for seconds in (30.0, 60.0, 120.0, 120.0):
        now[0] += seconds
        assert standing.seconds_barred == 0
        standing.failed(fault(slow=True))
    assert standing.seconds_barred == 120.0
    standing.succeeded()
    assert standing.seconds_barred == 0
    assert standing.is_fit


def test_a_server_that_says_when_is_asked_then():
    now = [0.0]
    standing = Standing(lambda: now[0])
    standing.failed(fault(wait=42.0))
    standing.failed(fault(wait=1.0))
    assert standing.seconds_barred == 42.0
    assert not standing.is_fit
    now[0] = 42.0
    assert standing.is_fit


# --- what is offered --------------------------------------------------------------------------


def test_lists_of_models():
    answer = {
        "data": [
            {"id": "vllm", "max_model_len": 4096},
            {"id": "llama", "meta": {"n_ctx": 8192, "n_ctx_train": 99_999}},
            {"id": "router", "context_length": 16_384},
            {"id": "silent", "max_model_len": None, "meta": None},
            {"id": "vllm", "max_model_len": 1},
            {"id": ""},
            {"id": 7},
            "x",
            None,
        ]
    }
    offered = offered_in(answer)
    assert offered is not None
    assert offered.models == ("vllm", "llama", "router", "silent")
    assert offered.contexts == {"vllm": 4096, "llama": 8192, "router": 16_384}
    assert offered.context_of(None) == 4096
    assert offered.context_of("llama") == 8192
    assert offered.context_of("silent") is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_whatever_is_listed_is_no_error(answer):
    assert offered_in(answer) is None
    assert context_in_props(answer) is None
    offered = offered_in({"data": [answer]})
    assert offered is not None
    assert offered.models == ()


def test_props_of_llama_cpp():
    assert context_in_props({"default_generation_settings": {"n_ctx": 512}}) == 512
    assert context_in_props({"n_ctx": 256}) == 256
    assert context_in_props({"n_ctx": True}) is None


# --- estimates --------------------------------------------------------------------------------


def test_estimates():
    assert estimate_tokens("") == 0
    assert estimate_tokens("a") == 1
    assert estimate_tokens("a" * 36) == 10
    assert estimate_tokens("é" * 18) == 10
    assert estimate_tokens("\ud800") == 1
    assert estimate_turns([Turn("user", "a" * 36)]) == 14
    call = ToolCall("i", "a" * 18, {}, "b" * 18)
    assert estimate_turns([Turn("assistant", "", tool_calls=(call,))]) == 18
    assert estimate_tools([ToolSpec("a" * 18, "b" * 18, {})]) == 27


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one, two):
    assert estimate_tokens(one) <= estimate_tokens(one + two)
