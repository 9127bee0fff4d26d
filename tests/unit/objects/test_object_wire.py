"""Discovery, kinds in every spelling, and lists whose token expires half way."""

import httpx2
import pytest

from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes_kinds import ApiKind, discover_kinds
from aiops_mcp.backends.kubernetes_lists import Form, get_metadata, list_all
from aiops_mcp.errors import BackendMisbehaved, BackendRefused, InputError
from aiops_mcp.fleet.object_kinds import KindUnknown, find_kind, list_path


def http(handle):
    target = Target("https://api:6443", "kubernetes", "edge-1")
    return HttpClient(target, transport=httpx2.MockTransport(handle), retries=0)


KINDS = (
    ApiKind("", "v1", "pods", "Pod", "pod", True, ("po",)),
    ApiKind("", "v1", "events", "Event", "event", True, ("ev",)),
    ApiKind("events.k8s.io", "v1", "events", "Event", "event", True, ("ev",)),
    ApiKind("apps", "v1", "deployments", "Deployment", "deployment", True, ("deploy",)),
    ApiKind("example.io", "v1", "deployments", "Deployment", "deployment", True),
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("pods", "pods"),
        ("po", "pods"),
        ("Pod", "pods"),
        (" PODS ", "pods"),
        ("deploy", "deployments.apps"),
        ("deployments.apps", "deployments.apps"),
        ("deployment.v1.apps", "deployments.apps"),
        ("apps/v1/Deployment", "deployments.apps"),
        ("deployments.example.io", "deployments.example.io"),
        ("deployments.example.io/v1", "deployments.example.io"),
        ("events", "events"),
        ("ev.events.k8s.io", "events.events.k8s.io"),
        ("v1/Pod", "pods"),
    ],
)
def test_a_kind_in_any_spelling(wanted, found):
    assert find_kind(KINDS, wanted).qualified == found


@pytest.mark.parametrize(
    ("wanted", "near"), [("podz", "pods"), ("deploymnet", "deployments.apps"), ("event", None)]
)
def test_a_wrong_kind_names_near_ones(wanted, near):
    if near is None:
        assert find_kind(KINDS, wanted).kind == "Event"
        return
    with pytest.raises(KindUnknown) as told:
        find_kind(KINDS, wanted)
    assert near in told.value.near


@pytest.mark.parametrize("name", ["", "..", "a/b", "../../secrets"])
def test_a_name_leads_nowhere_else(name):
    with pytest.raises(InputError):
        list_path(KINDS[0], "shop", name)


async def test_discovery_group_by_group_where_it_is_not_aggregated():
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [
                {"name": "apps", "preferredVersion": {"version": "v1"}},
                {"name": "metrics.k8s.io", "versions": [{"version": "v1beta1"}]},
            ],
        },
        "/api/v1": {
            "resources": [
                {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list"]},
                {"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": ["get"]},
                {"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]},
            ]
        },
        "/apis/apps/v1": {
            "resources": [
                {
                    "name": "deployments",
                    "kind": "Deployment",
                    "verbs": ["list"],
                    "shortNames": ["d"],
                }
            ]
        },
    }

    def handle(request):
        found = answers.get(request.url.path)
        return httpx2.Response(200, json=found) if found else httpx2.Response(503, text="down")

    kinds = await discover_kinds(http(handle))
    assert [kind.qualified for kind in kinds] == ["pods", "deployments.apps"]
    assert kinds[1].short_names == ("d",)


async def test_the_preferred_version_wins_in_aggregated_discovery():
    def version(name, *plurals):
        entries = [
            {"resource": plural, "responseKind": {"kind": plural}, "verbs": ["list"]}
            for plural in plurals
        ]
        return {"version": name, "resources": entries}

    def handle(request):
        items = [
            {
                "metadata": {"name": "x.io"},
                "versions": [version("v2", "a"), version("v1", "a", "b")],
            }
        ]
        return httpx2.Response(
            200,
            json={
                "kind": "APIGroupDiscoveryList",
                "items": items if request.url.path == "/apis" else [],
            },
        )

    kinds = await discover_kinds(http(handle))
    assert [(kind.plural, kind.version) for kind in kinds] == [("a", "v2"), ("b", "v1")]


def page(*names, token=""):
    items = [{"metadata": {"name": name}} for name in names]
    return {"kind": "PodList", "metadata": {"continue": token}, "items": items}


async def test_a_token_that_expires_begins_the_list_anew_and_nothing_comes_twice():
    answers = [
        page("a", "b", token="2"),
        httpx2.Response(410, json={"kind": "Status", "code": 410, "reason": "Expired"}),
        page("a", "b", token="2"),
        page("c"),
    ]

    def handle(request):
        answer = answers.pop(0)
        return answer if isinstance(answer, httpx2.Response) else httpx2.Response(200, json=answer)

    found = await list_all(http(handle), "/api/v1/pods")
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b", "c"]
    assert answers == []


async def test_a_token_that_always_expires_is_given_up():
    asked = []

    def handle(request):
        asked.append(1)
        if "continue" in request.url.params:
            return httpx2.Response(410, json={"kind": "Status", "code": 410, "reason": "Expired"})
        return httpx2.Response(200, json=page("a", token="2"))

    with pytest.raises(BackendRefused):
        await list_all(http(handle), "/api/v1/pods")
    assert len(asked) == 8


async def test_whole_objects_are_refused_where_metadata_was_asked_for():
    def handle(request):
        assert "PartialObjectMetadataList" in request.headers["accept"]
        return httpx2.Response(200, json={"kind": "SecretList", "items": [{"data": {"a": "b"}}]})

    with pytest.raises(BackendMisbehaved):
        await list_all(http(handle), "/api/v1/secrets", form=Form.METADATA)


@pytest.mark.parametrize("body", [[], {"metadata": {}}, {"items": 3}, "text"])
async def test_what_is_no_list_or_no_object_is_named(body):
    def handle(request):
        return httpx2.Response(200, json=body)

    if not (isinstance(body, dict) and "items" not in body):
        with pytest.raises(BackendMisbehaved):
            await list_all(http(handle), "/api/v1/pods")
    if not (isinstance(body, dict) and "metadata" in body):
        with pytest.raises(BackendMisbehaved):
            await get_metadata(http(handle), "/api/v1/pods/a")
