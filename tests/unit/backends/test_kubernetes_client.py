"""What a KubernetesClient sends and reads, over a mock transport."""

from datetime import UTC, datetime

import httpx2
import orjson
import pytest

from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.backends.kubernetes_access import UserInfo
from aiops_mcp.backends.kubernetes_paths import resource_path
from aiops_mcp.backends.kubernetes_secrets import KubernetesSecrets
from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
    ClusterUnreachable,
    InputError,
)


def client(*answers, retries=0):
    """A client whose server gives these answers in turn (objects, or responses), and its log."""
    waiting, sent = list(answers), []

    def handle(request):
        sent.append(request)
        answer = waiting.pop(0)
        return answer if isinstance(answer, httpx2.Response) else httpx2.Response(200, json=answer)

    http = HttpClient(
        Target("https://api:6443", "kubernetes", "edge-1"),
        transport=httpx2.MockTransport(handle),
        retries=retries,
    )
    return KubernetesClient(http), sent


def failure(code, reason="", message="no", **details):
    body = {"kind": "Status", "status": "Failure", "message": message, "code": code, **details}
    return httpx2.Response(code, json={**body, "reason": reason})


def page(*names, token="", version="7"):
    return {
        "kind": "PodList",
        "metadata": {"resourceVersion": version, "continue": token},
        "items": [{"metadata": {"name": name}} for name in names],
    }


def names(objects):
    return [one["metadata"]["name"] for one in objects]


def paths(sent):
    return [request.url.raw_path.decode() for request in sent]


async def test_a_list_is_read_in_pages():
    kubernetes, sent = client(page("a", "b", token="t/1"), page("c"))
    found = await kubernetes.list(
        "pods",
        namespace="shop",
        label_selector="app in (x,y)",
        field_selector="spec.nodeName=n1",
        limit=2,
    )
    assert names(found) == ["a", "b", "c"]
    first = "/api/v1/namespaces/shop/pods?labelSelector=app+in+%28x%2Cy%29&fieldSelector=spec.nodeName%3Dn1&limit=2"
    assert paths(sent) == [first, f"{first}&continue=t%2F1"]


async def test_an_expired_token_starts_the_list_anew():
    kubernetes, sent = client(
        page("a", token="t"), failure(410, "Expired"), page("a", "b", version="9")
    )
    found, version = await kubernetes.list_page("nodes")
    assert (names(found), version) == (["a", "b"], "9")
    assert paths(sent)[2] == "/api/v1/nodes?limit=500"


async def test_a_list_that_always_expires_ends():
    kubernetes, _ = client(*[page("a", token="t"), failure(410, "Expired")] * 4)
    with pytest.raises(BackendRefused) as caught:
        await kubernetes.list("nodes")
    assert caught.value.http_status == 410


async def test_an_empty_list_may_be_null():
    kubernetes, _ = client({"kind": "List", "metadata": {}, "items": None}, {"kind": "List"})
    assert await kubernetes.list("nodes") == []
    assert await kubernetes.list("nodes") == []


@pytest.mark.parametrize("body", [[], 1, {"items": {}}, {"items": "x"}])
async def test_json_of_something_else(body):
    kubernetes, _ = client(body)
    with pytest.raises(BackendMisbehaved, match="not the Kubernetes API's"):
        await kubernetes.list("nodes")


@pytest.mark.parametrize(
    ("resource", "namespace", "name", "path"),
    [
        ("pods", None, None, "/api/v1/pods"),
        ("pods", "a", "b", "/api/v1/namespaces/a/pods/b"),
        ("deployments", "a", None, "/apis/apps/v1/namespaces/a/deployments"),
        ("clusterpolicies.nvidia.com/v1", None, None, "/apis/nvidia.com/v1/clusterpolicies"),
        (
            "clusterversions",
            None,
            "version",
            "/apis/config.openshift.io/v1/clusterversions/version",
        ),
        ("pods.v1", "a", None, "/api/v1/namespaces/a/pods"),
        ("/apis/x.io/v1/things/", None, None, "/apis/x.io/v1/things"),
        ("/version", None, None, "/version"),
    ],
)
def test_paths(resource, namespace, name, path):
    assert resource_path(resource, namespace, name) == path


@pytest.mark.parametrize(
    ("resource", "namespace", "name"),
    [
        ("frobs", None, None),
        ("frobs.x.io", None, None),
        ("pods", "../secrets", None),
        ("pods", "a", ".."),
        ("pods", "a", ""),
        ("pods", "a", "b/log"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(resource, namespace, name):
    with pytest.raises(InputError):
        resource_path(resource, namespace, name)


async def test_version_and_ready():
    kubernetes, sent = client({"gitVersion": "v1.31.2"}, httpx2.Response(200, text="ok"))
    assert (await kubernetes.version())["gitVersion"] == "v1.31.2"
    await kubernetes.ready()
    assert paths(sent) == ["/version", "/readyz"]
    assert sent[1].headers["accept"] == "*/*"


async def test_not_ready():
    kubernetes, _ = client(httpx2.Response(500, text="[-]etcd failed"))
    with pytest.raises(BackendRefused, match="etcd failed"):
        await kubernetes.ready()


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (401, "Unauthorized", BackendUnauthorized),
        (403, "Forbidden", BackendUnauthorized),
        (404, "NotFound", BackendRefused),
        (422, "Invalid", BackendRefused),
        (503, "ServiceUnavailable", ClusterUnreachable),
    ],
)
async def test_a_status_says_why(code, reason, expected):
    kubernetes, _ = client(failure(code, reason, 'pods "x" is not for you'))
    with pytest.raises(expected, match='pods "x" is not for you') as caught:
        await kubernetes.get("pods", namespace="a", name="x")
    assert caught.value.details["reason"] == reason
    assert "edge-1" in caught.value.message


async def test_logs():
    kubernetes, sent = client(httpx2.Response(200, content=b"gr\xc3\xb6\xc3\x9fe\n\xff\n"))
    text = await kubernetes.pod_logs(
        "shop",
        "cart-1",
        container="app",
        previous=True,
        tail_lines=20,
        since_time=datetime(2026, 1, 1, tzinfo=UTC),
        timestamps=True,
        limit_bytes=1000,
    )
    assert text == "größe\n\ufffd\n"
    assert dict(sent[0].url.params) == {
        "container": "app",
        "previous": "true",
        "tailLines": "20",
        "sinceTime": "2026-01-01T00:00:00+00:00",
        "timestamps": "true",
        "limitBytes": "1000",
    }
    assert sent[0].url.path == "/api/v1/namespaces/shop/pods/cart-1/log"


async def test_logs_without_anything_asked():
    kubernetes, sent = client(httpx2.Response(200, text=""))
    assert await kubernetes.pod_logs("shop", "cart-1", tail_lines=None, since_seconds=60) == ""
    assert dict(sent[0].url.params) == {"sinceSeconds": "60"}


def body(request):
    return orjson.loads(request.content)


async def test_access_review():
    kubernetes, sent = client(
        {"status": {"allowed": True, "reason": "RBAC: allowed"}},
        {"status": {"allowed": False}},
        {"status": {"allowed": True, "denied": True, "reason": "webhook"}},
        {"status": {"allowed": False, "evaluationError": "no such role"}},
    )
    verdict = await kubernetes.access_review("create", "pods", "", "shop", "exec")
    assert (verdict.allowed, verdict.reason) == (True, "RBAC: allowed")
    assert sent[0].url.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert body(sent[0]) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "verb": "create",
                "resource": "pods",
                "namespace": "shop",
                "subresource": "exec",
            }
        },
    }
    assert (await kubernetes.access_review("get", "/metrics")).allowed is False
    assert body(sent[1])["spec"] == {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}
    assert (await kubernetes.access_review("get", "pods")).allowed is False
    assert (await kubernetes.access_review("get", "pods")).reason == "no such role"


async def test_a_review_may_be_repeated():
    kubernetes, sent = client(httpx2.Response(502), {"status": {"allowed": True}}, retries=1)
    assert (await kubernetes.access_review("get", "pods")).allowed
    assert len(sent) == 2


async def test_subject_access_review_passes_the_groups_on():
    kubernetes, sent = client({"status": {"allowed": True}})
    user = UserInfo("jane", "u1", ("sre",), {"scopes": ("a", "b")})
    assert (await kubernetes.subject_access_review(user, "list", "nodes")).allowed
    assert body(sent[0])["spec"] == {
        "resourceAttributes": {"verb": "list", "resource": "nodes"},
        "user": "jane",
        "uid": "u1",
        "groups": ["sre"],
        "extra": {"scopes": ["a", "b"]},
    }


async def test_token_review():
    good = {
        "status": {
            "authenticated": True,
            "user": {"username": "jane", "uid": "u", "groups": ["g"], "extra": {"k": ["v"]}},
            "audiences": ["aiops"],
        }
    }
    kubernetes, sent = client(good, good, {"status": {"error": "expired"}}, {"status": {}})
    verdict = await kubernetes.token_review("t0ken", ["aiops"])
    assert verdict.user == UserInfo("jane", "u", ("g",), {"k": ("v",)})
    assert body(sent[0])["spec"] == {"token": "t0ken", "audiences": ["aiops"]}
    assert (await kubernetes.token_review("t0ken", ["other"])).authenticated is False
    assert (await kubernetes.token_review("t0ken")).error == "expired"
    assert (await kubernetes.token_review("t0ken")).error == "the token is not accepted"


async def test_who_are_we():
    kubernetes, sent = client({"status": {"userInfo": {"username": "system:serviceaccount:a:b"}}})
    assert (await kubernetes.self_subject_review()).username == "system:serviceaccount:a:b"
    assert body(sent[0]) == {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


async def test_merge_patch():
    kubernetes, sent = client({"metadata": {}})
    await kubernetes.merge_patch("secrets", "a", "s", {"data": None})
    assert sent[0].method == "PATCH"
    assert sent[0].headers["content-type"] == "application/merge-patch+json"


async def test_secrets_by_name():
    kubernetes, sent = client(
        failure(404, "NotFound"),
        {"kind": "Secret", "data": {}},
        {"kind": "Secret"},
        failure(409, "AlreadyExists"),
        {"kind": "Secret"},
        {"kind": "Status"},
        failure(404, "NotFound"),
    )
    secrets = KubernetesSecrets(kubernetes, "aiops")
    assert await secrets.get_secret("s") is None
    assert (await secrets.get_secret("s"))["kind"] == "Secret"
    await secrets.put_secret("s", {"kind": "Secret", "metadata": {"labels": {"a": "b"}}})
    await secrets.put_secret("s", {"kind": "Secret"})
    assert await secrets.delete_secret("s") is True
    assert await secrets.delete_secret("s") is False
    assert [(r.method, r.url.path.rpartition("/")[2]) for r in sent] == [
        ("GET", "s"),
        ("GET", "s"),
        ("POST", "secrets"),
        ("POST", "secrets"),
        ("PUT", "s"),
        ("DELETE", "s"),
        ("DELETE", "s"),
    ]
    assert body(sent[2])["metadata"] == {"labels": {"a": "b"}, "name": "s"}


@pytest.mark.parametrize("call", ["get_secret", "delete_secret"])
async def test_secrets_that_may_not_be_touched(call):
    kubernetes, _ = client(failure(403, "Forbidden"))
    with pytest.raises(BackendUnauthorized):
        await getattr(KubernetesSecrets(kubernetes, "aiops"), call)("s")
    kubernetes, _ = client(failure(403, "Forbidden"))
    with pytest.raises(BackendUnauthorized):
        await KubernetesSecrets(kubernetes, "aiops").put_secret("s", {})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx2.Response(500, json=["odd"]), '["odd"]'),
        (httpx2.Response(500, json={"message": "a proxied backend's own"}), "a proxied backend's"),
        (
            httpx2.Response(500, text="<html>", headers={"content-type": "text/html"}),
            "an HTML page",
        ),
    ],
)
async def test_a_refusal_that_is_no_status(answer, said):
    kubernetes, _ = client(answer)
    with pytest.raises(BackendRefused) as caught:
        await kubernetes.version()
    assert said in caught.value.message
