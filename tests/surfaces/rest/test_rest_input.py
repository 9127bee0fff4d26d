"""What a request's fields become, whatever is sent: no request is answered with a 500."""

import json

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from aiops_mcp.errors import InputError
from aiops_mcp.operation import Clusters, Input
from aiops_mcp.surfaces.rest_input import InputReader, split_commas, takes_many, validate_input

CODES = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503, 504}


class Mixed(Input):
    clusters: Clusters = ()
    names: list[str] | None = None
    count: int = 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b , c", ["a", "b", "c"]),
        ("a", ["a"]),
        (",,", []),
        ('up{a="1,2"},down', ['up{a="1,2"}', "down"]),
        ("sum by (a, b) (x),y", ["sum by (a, b) (x)", "y"]),
        (r'{a="\",b",c="d"},e', [r'{a="\",b",c="d"}', "e"]),
        (r"`\`,b", [r"`\`", "b"]),
        ("x),y", ["x)", "y"]),
        ("x(,y", ["x(,y"]),
        ("it's,fine", ["it's,fine"]),
    ],
)
def test_commas_part_outside_quotes_and_brackets(text, parts):
    assert split_commas(text) == parts


@pytest.mark.parametrize(
    ("annotation", "many"),
    [(tuple[str, ...], True), (list[int] | None, True), (frozenset[str], True), (Clusters, True),
     (list, True), (str, False), (str | None, False), (dict[str, str], False), (bytes, False)],
)  # fmt: skip
def test_which_fields_take_many(annotation, many):
    assert takes_many(annotation) is many


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("names=a,b&names=c&count=2", {"names": ["a", "b", "c"], "count": "2"}),
        ("names[]=a&names=b", {"names": ["a", "b"]}),
        ("cluster_ids=a,b", {"cluster_ids": ["a", "b"]}),
        ("count[]=1", {"count[]": "1"}),
        ("count=", {}),
    ],
)
def test_query_strings(query, given):
    assert InputReader(Mixed).from_query(QueryParams(query)) == given


def test_long_lists_of_faults_are_counted():
    with pytest.raises(InputError, match="and 2 more") as caught:
        validate_input(Mixed, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5})
    assert [fault["path"] for fault in caught.value.details["fields"]] == list("abcde")
    assert "It takes clusters, count, names." in str(caught.value)


def test_a_fault_deep_inside_has_its_whole_path():
    with pytest.raises(InputError, match="names.1: input should be a valid string") as caught:
        validate_input(Mixed, {"names": ["a", 1]})
    assert caught.value.details["fields"][0]["path"] == "names.1"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(
    ["query", "clusters", "cluster_ids", "cluster_id", "cluster", "limit", "page", "step", "label",
     "match[]", "has_gpu", "region", "token", "dry_run", ""]
) | st.text(max_size=8)  # fmt: skip
bodies = (
    st.dictionaries(fields, json_values, max_size=5).map(lambda value: json.dumps(value).encode())
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40)
)
kinds = st.sampled_from(["application/json", "application/json;charset=latin1", "text/plain", ""])
routes = st.sampled_from(
    [
        ("GET", "/shelves"),
        ("POST", "/shelves"),
        ("GET", "/shelves/hub"),
        ("PUT", "/shelves/hub"),
        ("DELETE", "/shelves/hub"),
        ("GET", "/shelves/%00%ff"),
        ("POST", "/query"),
        ("PATCH", "/query"),
        ("GET", "/partly"),
    ]
)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    route=routes,
    query=st.lists(st.tuples(fields, st.text(max_size=12)), max_size=5),
    body=bodies,
    kind=kinds,
)
async def test_whatever_is_sent_is_answered_in_the_contracts_shape(
    client, route, query, body, kind
):
    method, path = route
    answer = await client.request(
        method,
        httpx2.URL("http://127.0.0.1:8080/api/v1" + path, params=query),
        content=body,
        headers={"content-type": kind},
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.status_code in CODES
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "details", "trace_id", "timestamp"}
        assert error["code"] == "VALIDATION_FAILED"
    elif answer.status_code != 204:
        assert answer.json()["operation"]
