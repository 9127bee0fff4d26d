"""A watch goes on across reconnects, bookmarks, expired versions and failures."""

import httpx2
import orjson
import pytest

from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.backends.kubernetes_watch import MAX_FAILURES, watch_objects
from aiops_mcp.errors import BackendMisbehaved, BackendUnauthorized, ClusterUnreachable


def pod(name, version, **more):
    return {"metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": version}, **more}


def listed(*pods, version):
    return httpx2.Response(
        200, json={"metadata": {"resourceVersion": version}, "items": list(pods)}
    )


def events(*pairs):
    lines = [orjson.dumps({"type": kind, "object": item}) for kind, item in pairs]
    return httpx2.Response(200, content=b"\n".join(lines))


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}


class Api:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []
        self.pauses = []

    def handle(self, request):
        self.sent.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds):
        self.pauses.append(seconds)

    def watch(self, resource_version=None, selectors=()):
        http = HttpClient(
            Target("https://k", "kubernetes", "c1"),
            transport=httpx2.MockTransport(self.handle),
            retries=0,
        )
        return watch_objects(
            KubernetesClient(http),
            "/api/v1/pods",
            list(selectors),
            resource_version,
            sleep=self.sleep,
            jitter=lambda: 1.0,
        )

    async def first(self, count, **settings):
        found = []
        watch = self.watch(**settings)
        async for event in watch:
            found.append((event.type, event.object["metadata"]["name"]))
            if len(found) == count:
                break
        await watch.aclose()
        return found


async def test_it_begins_with_a_list_and_goes_on_from_there():
    api = Api(
        listed(pod("a", "1"), pod("b", "2"), version="5"),
        events(("MODIFIED", pod("a", "6")), ("DELETED", pod("b", "7"))),
    )
    found = await api.first(4, selectors=[("labelSelector", "app=x")])
    assert found == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert dict(api.sent[0].url.params) == {"labelSelector": "app=x", "limit": "500"}
    assert dict(api.sent[1].url.params) == {
        "labelSelector": "app=x",
        "watch": "1",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "300",
        "resourceVersion": "5",
    }


async def test_with_a_version_it_goes_on_at_once():
    api = Api(events(("ADDED", pod("a", "12"))))
    assert await api.first(1, resource_version="11") == [("ADDED", "a")]
    assert api.sent[0].url.params["resourceVersion"] == "11"


async def test_it_reconnects_from_the_last_version_or_bookmark():
    api = Api(
        events(("ADDED", pod("a", "12"))),
        events(("BOOKMARK", {"metadata": {"resourceVersion": "40"}})),
        events(("ADDED", pod("b", "41"))),
    )
    assert await api.first(2, resource_version="11") == [("ADDED", "a"), ("ADDED", "b")]
    assert [r.url.params["resourceVersion"] for r in api.sent] == ["11", "12", "40"]
    assert api.pauses == []


@pytest.mark.parametrize("expired", ["event", "status"])
async def test_an_expired_version_becomes_the_changes_since(expired):
    gone = events(("ERROR", GONE)) if expired == "event" else httpx2.Response(410, json=GONE)
    api = Api(
        listed(pod("a", "1"), pod("b", "2"), pod("c", "3"), version="5"),
        gone,
        listed(pod("a", "1"), pod("b", "8"), pod("d", "9"), version="10"),
        events(("MODIFIED", pod("d", "11"))),
    )
    found = await api.first(7)
    assert found[3:] == [
        ("MODIFIED", "b"),
        ("ADDED", "d"),
        ("DELETED", "c"),
        ("MODIFIED", "d"),
    ]
    assert api.sent[3].url.params["resourceVersion"] == "10"


async def test_what_was_told_to_be_gone_is_not_told_again():
    api = Api(
        listed(pod("a", "1"), pod("b", "2"), version="5"),
        events(("DELETED", pod("a", "6")), ("ERROR", GONE)),
        listed(version="9"),
    )
    assert (await api.first(4))[2:] == [("DELETED", "a"), ("DELETED", "b")]


async def test_what_a_new_list_has_lost_has_name_and_uid_only():
    api = Api(
        listed(pod("a", "1", spec={}), version="5"), events(("ERROR", GONE)), listed(version="6")
    )
    found = [event async for event in _some(api.watch(), 2)]
    assert found[1] == ("DELETED", {"metadata": {"name": "a", "uid": "u-a"}})


async def _some(watch, count):
    for _ in range(count):
        yield await anext(watch)
    await watch.aclose()


async def test_failures_are_waited_out():
    api = Api(
        httpx2.ConnectError("refused"),
        httpx2.Response(503),
        events(("ADDED", pod("a", "12"))),
        httpx2.ReadError("reset"),
        events(("ADDED", pod("b", "13"))),
    )
    assert await api.first(2, resource_version="11") == [("ADDED", "a"), ("ADDED", "b")]
    assert api.pauses == [0.4, 0.8, 0.4]


async def test_it_gives_up_after_five_failures_in_a_row():
    api = Api(*[httpx2.Response(503)] * MAX_FAILURES)
    with pytest.raises(ClusterUnreachable):
        await api.first(1, resource_version="11")
    assert len(api.pauses) == MAX_FAILURES - 1


async def test_an_error_event_that_is_not_410():
    status = {"kind": "Status", "code": 500, "reason": "InternalError", "message": "etcd"}
    api = Api(events(("ERROR", {**status, "code": 403})))
    with pytest.raises(BackendUnauthorized, match="etcd"):
        await api.first(1, resource_version="11")
    api = Api(*[events(("ERROR", {"message": "odd"}))] * MAX_FAILURES)
    with pytest.raises(ClusterUnreachable, match="odd"):
        await api.first(1, resource_version="11")


async def test_a_server_that_hangs_up_at_once_is_not_hammered():
    api = Api(events(), events(), events(), events(("ADDED", pod("a", "12"))))
    assert await api.first(1, resource_version="11") == [("ADDED", "a")]
    assert api.pauses == [0.4, 0.8, 1.6]


async def test_nor_one_that_forgets_at_once():
    forgets = [listed(version="5"), events(("ERROR", GONE))]
    api = Api(*forgets, *forgets, listed(pod("a", "1"), version="6"))
    assert await api.first(1) == [("ADDED", "a")]
    assert api.pauses == [0.4, 0.8]


async def test_a_refusal_ends_it_at_once():
    api = Api(httpx2.Response(403, json={"kind": "Status", "message": "cannot watch"}))
    with pytest.raises(BackendUnauthorized, match="cannot watch"):
        await api.first(1, resource_version="11")
    assert api.pauses == []


async def test_lines_that_are_no_events():
    for line in (b"<html>", b'{"type": "ADDED"}', b'{"type":"ADDED","object":{}}', b"[1]"):
        api = Api(*[httpx2.Response(200, content=line)] * MAX_FAILURES)
        with pytest.raises(BackendMisbehaved):
            await api.first(1, resource_version="11")


async def test_the_client_offers_it():
    api = Api(events(("ADDED", pod("a", "12"))))
    http = HttpClient(
        Target("https://k", "kubernetes", "c1"), transport=httpx2.MockTransport(api.handle)
    )
    watch = KubernetesClient(http).watch(
        "pods", namespace="shop", field_selector="spec.nodeName=n", resource_version="3"
    )
    assert (await anext(watch)).object["metadata"]["name"] == "a"
    await watch.aclose()
    assert api.sent[0].url.path == "/api/v1/namespaces/shop/pods"
    assert api.sent[0].url.params["fieldSelector"] == "spec.nodeName=n"
