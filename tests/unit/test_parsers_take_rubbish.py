"""Whatever a cluster, a file or a caller sends: an answer, or an error of ours; never a crash."""

import asyncio
import contextlib
import json

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.alertmanager_webhook import parse_webhook
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.kubeconfig import contexts
from aiops_mcp.backends.nvidia_smi_csv import parse_query_gpu
from aiops_mcp.backends.nvidia_smi_listing import parse_listing, parse_nvlink
from aiops_mcp.backends.nvidia_smi_log import parse_text, parse_xml
from aiops_mcp.backends.nvidia_smi_monitors import parse_dmon, parse_pmon
from aiops_mcp.backends.ocm import managed_clusters
from aiops_mcp.backends.prometheus_answers import parse_query, parse_rules, parse_targets
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import AiopsError, InvalidLogql, InvalidPromql
from aiops_mcp.fleet.cnf_hints import cnf_type
from aiops_mcp.fleet.log_pods import parse_lines
from aiops_mcp.logql import parse as parse_logql
from aiops_mcp.models.xid import xid_event
from aiops_mcp.promql.parse import parse as parse_promql
from aiops_mcp.redaction import clean_json, clean_text

OURS = (AiopsError, ValueError)  # every parser's own error is one of them

WORDS = st.sampled_from(
    [
        "status",
        "data",
        "result",
        "alerts",
        "labels",
        "annotations",
        "startsAt",
        "endsAt",
        "fingerprint",
        "version",
        "receiver",
        "id",
        "matchers",
        "name",
        "value",
        "isRegex",
        "groups",
        "rules",
        "metadata",
        "items",
        "spec",
        "groupKey",
        "resultType",
        "metric",
        "values",
        "cluster",
        "state",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)
LINES = st.lists(
    st.text(max_size=60)
    | st.sampled_from(
        [
            "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)",
            "0, GPU-1, NVIDIA H100, [N/A], 9223372036854775794",
            "# gpu   pid type",
            "    0  1234  C  python",
            "==============NVSMI LOG==============",
            "    FB Memory Usage",
            "        Total                             : 81559 MiB",
            "NVRM: Xid (PCI:0000:3b:00): 79, pid=1",
            "Unable to determine the device handle for GPU 0000:3b:00.0: Unknown Error",
            "<nvidia_smi_log><gpu id='x'><fb_memory_usage>",
        ]
    ),
    max_size=12,
).map("\n".join)
FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@pytest.mark.parametrize(
    "read",
    [parse_rules, parse_targets, clean_json],
    ids=lambda read: read.__name__,
)
@FUZZ
@given(value=JSON)
def test_json_of_any_shape(read, value):
    with contextlib.suppress(*OURS):
        read(value)


@pytest.mark.parametrize("ask", ["alerts", "silences", "status"])
@FUZZ
@given(value=JSON)
def test_an_alertmanager_of_any_kind(ask, value):
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=value))
    http = HttpClient(Target("https://a.example", "alertmanager", "x"), transport=transport)
    with contextlib.suppress(AiopsError):
        asyncio.run(getattr(AlertmanagerClient(http), ask)())


@pytest.mark.parametrize("read", [parse_webhook, parse_query], ids=lambda read: read.__name__)
@FUZZ
@given(body=st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bodies_of_any_kind(read, body):
    with contextlib.suppress(*OURS):
        read(body)


@FUZZ
@given(
    pods=st.lists(
        st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), JSON, max_size=3)
    )
)
def test_objects_whose_parts_are_missing(pods):
    for pod in pods:
        plain = {key: value if isinstance(value, dict) else {} for key, value in pod.items()}
        with contextlib.suppress(*OURS):
            managed_clusters([plain])
        with contextlib.suppress(AttributeError, TypeError, *OURS):
            cnf_type(plain)


@pytest.mark.parametrize(
    "read",
    [
        parse_query_gpu,
        parse_listing,
        parse_nvlink,
        parse_text,
        parse_xml,
        parse_dmon,
        parse_pmon,
        parse_lines,
        xid_event,
        clean_text,
    ],
    ids=lambda read: read.__name__,
)
@FUZZ
@given(text=LINES)
def test_output_of_any_program(read, text):
    with contextlib.suppress(*OURS):
        read(text)


@FUZZ
@given(text=st.text(alphabet='{}[]()|=~!"`\\<>, abcrate5mby_.*+-#\n', max_size=60))
def test_queries_of_any_kind(text):
    with contextlib.suppress(InvalidLogql):
        parse_logql(text)
    with contextlib.suppress(InvalidPromql):
        parse_promql(text)


@FUZZ
@given(text=st.text(max_size=200))
def test_kubeconfigs_of_any_kind(text):
    with contextlib.suppress(*OURS):
        contexts("apiVersion: v1\nkind: Config\ncontexts:\n" + text)
