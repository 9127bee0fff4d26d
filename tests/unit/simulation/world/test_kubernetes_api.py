"""The API server at wire level, by plain HTTP requests in process."""

import json

import httpx2
import pytest

from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.errors import BackendRefused, BackendUnauthorized
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.kubernetes.cells import human_age
from aiops_mcp.simulation.kubernetes.selectors import BadSelector, field_test, label_test

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Api:
    def __init__(self, fleet, cluster="prod-virginia", role="admin"):
        self.url = f"https://api.{cluster}.sim.invalid:6443"
        token = token_of(fleet.world.seed, cluster, role) if role in ("admin", "viewer") else role
        self.client = httpx2.AsyncClient(
            transport=fleet.transport(self.url),
            base_url=self.url,
            headers={"authorization": f"Bearer {token}"} if token else {},
        )

    async def get(self, path, **more):
        return await self.client.get(path, **more)

    async def json(self, path, **more):
        answer = await self.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_nobody_gets_in_without_a_token_of_this_cluster(fleet_with):
    fleet = fleet_with()
    elsewhere = token_of(1, "prod-frankfurt")
    for role in ("", "sim-admin-wrong", elsewhere):
        answer = await Api(fleet, role=role).get("/api/v1/pods")
        assert answer.status_code == 401
        assert answer.json()["reason"] == "Unauthorized"
        assert (await Api(fleet, role=role).get("/readyz")).text == "ok"


async def test_a_viewer_reads_but_sees_no_secrets_and_runs_nothing(fleet_with):
    fleet = fleet_with()
    viewer = Api(fleet, role="viewer")
    assert (await viewer.get("/api/v1/nodes")).status_code == 200
    answer = await viewer.get("/api/v1/namespaces/default/secrets")
    assert answer.status_code == 403
    assert 'cannot list resource "secrets"' in answer.json()["message"]
    written = await viewer.client.post("/api/v1/namespaces/default/secrets", json={})
    assert written.status_code == 403
    token = token_of(1, "prod-virginia", "viewer")
    url = viewer.url
    target = Target(base_url=url, name="kubernetes", cluster="x", bearer=lambda: token)
    api = KubernetesClient(HttpClient(target, transport=fleet.transport(url), retries=0))
    pod = (await api.list("/api/v1/namespaces/shop/pods"))[0]["metadata"]["name"]
    with pytest.raises(BackendUnauthorized):
        await api.exec("shop", pod, None, ["hostname"], timeout=5)


async def test_lists_page_consistently_and_old_tokens_are_gone(fleet_with, clock):
    api = Api(fleet_with())
    whole = await api.json("/api/v1/pods")
    names = [one["metadata"]["uid"] for one in whole["items"]]
    assert whole["kind"] == "PodList"
    assert "kind" not in whole["items"][0]
    paged, token = [], ""
    while True:
        page = await api.json("/api/v1/pods", params={"limit": 20, "continue": token})
        paged += [one["metadata"]["uid"] for one in page["items"]]
        assert page["metadata"]["resourceVersion"] == whole["metadata"]["resourceVersion"]
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] == len(names) - len(paged)
    assert paged == names
    first = await api.json("/api/v1/pods", params={"limit": 20})
    clock.moment += 301.0
    answer = await api.get(
        "/api/v1/pods", params={"limit": 20, "continue": first["metadata"]["continue"]}
    )
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
    assert (await api.get("/api/v1/pods", params={"continue": "nonsense"})).status_code == 400


async def test_selectors_choose_by_label_and_field(fleet_with):
    api = Api(fleet_with())
    chosen = await api.json(
        "/api/v1/pods",
        params={"labelSelector": "app in (cart, payment)", "fieldSelector": "status.phase=Running"},
    )
    assert {one["metadata"]["labels"]["app"] for one in chosen["items"]} == {"cart", "payment"}
    node = chosen["items"][0]["spec"]["nodeName"]
    there = await api.json("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={node}"})
    assert {one["spec"]["nodeName"] for one in there["items"]} == {node}
    for params in ({"labelSelector": "a b c"}, {"fieldSelector": "what"}):
        answer = await api.get("/api/v1/pods", params=params)
        assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "labels", "fits"),
    [
        ("a=b", {"a": "b"}, True),
        ("a==b,c!=d", {"a": "b", "c": "d"}, False),
        ("a!=b", {}, True),
        ("a notin (b,c)", {"a": "c"}, False),
        ("a in (b,c),d", {"a": "c", "d": ""}, True),
        ("!a", {"a": "x"}, False),
        ("a", {}, False),
    ],
)
def test_label_selectors(selector, labels, fits):
    assert label_test(selector)(labels) is fits


def test_field_selectors_and_bad_ones():
    thing = {"metadata": {"name": "a"}, "spec": {}}
    assert field_test("metadata.name=a,spec.nodeName=")(thing)
    assert not field_test("metadata.name!=a")(thing)
    with pytest.raises(BadSelector):
        field_test("=")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "5s"),
        (119, "119s"),
        (120, "2m"),
        (130, "2m10s"),
        (700, "11m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (90000, "25h"),
        (200000, "2d7h"),
        (864000, "10d"),
        (8e7, "2y"),
    ],
)
def test_ages_are_written_as_kubectl_does(seconds, text):
    assert human_age(seconds) == text


async def test_tables_carry_the_columns_of_kubectl(fleet_with):
    api = Api(fleet_with("oom-loop"), "prod-frankfurt")
    headers = {"accept": TABLE}
    pods = await api.json(
        "/api/v1/namespaces/shop/pods",
        headers=headers,
        params={"labelSelector": "app=recommendation"},
    )
    names = [column["name"] for column in pods["columnDefinitions"]]
    assert names[:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
    cells = dict(zip(names, pods["rows"][0]["cells"], strict=True))
    assert cells["Ready"] == "0/1"
    assert cells["Status"] == "CrashLoopBackOff"
    assert "ago)" in cells["Restarts"]
    for path in (
        "nodes",
        "services",
        "events",
        "namespaces",
        "endpoints",
        "configmaps",
        "persistentvolumeclaims",
    ):
        table = await api.json(f"/api/v1/{path}", headers=headers)
        assert table["kind"] == "Table"
        assert table["rows"], path
        assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])
    groups = {
        "apps/v1": ("deployments", "replicasets", "statefulsets", "daemonsets"),
        "batch/v1": ("jobs", "cronjobs"),
        "discovery.k8s.io/v1": ("endpointslices",),
        "coordination.k8s.io/v1": ("leases",),
        "config.openshift.io/v1": ("clusterversions", "clusteroperators"),
        "machineconfiguration.openshift.io/v1": ("machineconfigpools",),
        "route.openshift.io/v1": ("routes",),
        "apiextensions.k8s.io/v1": ("customresourcedefinitions",),
        "cert-manager.io/v1": ("certificates",),
    }
    for group, plurals in groups.items():
        for plural in plurals:
            table = await api.json(f"/apis/{group}/{plural}", headers=headers)
            assert table["rows"], plural
    one = await api.json("/api/v1/nodes/prod-frankfurt-cp-0", headers=headers)
    assert one["rows"][0]["cells"][1:3] == ["Ready", "control-plane"]


async def test_unknown_things_are_not_found(fleet_with):
    api = Api(fleet_with())
    for path, message in (
        ("/api/v1/namespaces/shop/pods/nobody", 'pods "nobody" not found'),
        ("/apis/apps/v1/namespaces/shop/deployments/x", 'deployments.apps "x" not found'),
        ("/apis/config.openshift.io/v1/clusterversions", "could not find the requested resource"),
        ("/what", "could not find the requested resource"),
        ("/api/v1/namespaces/shop/pods/a/attach", "could not find the requested resource"),
    ):
        answer = await api.get(path)
        assert answer.status_code == 404
        assert message in answer.json()["message"]
    deleted = await api.client.delete("/api/v1/namespaces/shop/pods/x")
    assert deleted.status_code == 405


async def watch(api, count, **params):
    found = []
    async with api.client.stream(
        "GET", "/api/v1/namespaces/shop/pods", params={"watch": "1", **params}
    ) as answer:
        async for line in answer.aiter_lines():
            found.append(json.loads(line))
            if len(found) == count:
                break
    return found


async def test_a_watch_tells_what_changes_and_ends_with_a_bookmark(fleet_with, clock):
    api = Api(fleet_with("bad-rollout@+1m"))
    version = (await api.json("/api/v1/namespaces/shop/pods"))["metadata"]["resourceVersion"]
    clock.moment += 70.0
    (added, bookmark) = await watch(
        api, 2, resourceVersion=version, timeoutSeconds="0", allowWatchBookmarks="true"
    )
    assert added["type"] == "ADDED"
    assert added["object"]["spec"]["containers"][0]["image"].endswith(":1.20.0")
    assert bookmark["type"] == "BOOKMARK"
    version = bookmark["object"]["metadata"]["resourceVersion"]
    assert int(version) == int(clock() * 1000)
    clock.moment += 40.0
    (modified,) = await watch(api, 5, resourceVersion=version, timeoutSeconds="0")
    assert modified["type"] == "MODIFIED"
    assert modified["object"]["metadata"]["name"] == added["object"]["metadata"]["name"]
    clock.moment += 6 * 3600.0
    gone = await watch(api, 5, resourceVersion=version)
    assert gone[0]["type"] == "ERROR"
    assert gone[0]["object"]["code"] == 410


async def test_a_running_watch_sees_the_clock_move_and_can_be_left(fleet_with, clock):
    api = Api(fleet_with("bad-rollout@+1m"))
    params = {
        "watch": "1",
        "fieldSelector": "status.phase!=Succeeded",
        "labelSelector": "app=payment",
    }
    async with api.client.stream("GET", "/api/v1/namespaces/shop/pods", params=params) as answer:
        lines = answer.aiter_lines()
        first = [json.loads(await anext(lines)) for _ in range(2)]
        assert {event["type"] for event in first} == {"ADDED"}
        clock.moment += 70.0
        event = json.loads(await anext(lines))
        assert event["type"] == "ADDED"
        assert event["object"]["spec"]["containers"][0]["image"].endswith(":1.20.0")


async def test_logs_tail_since_stamp_and_follow(fleet_with, clock):
    api = Api(fleet_with())
    pods = await api.json("/api/v1/namespaces/shop/pods", params={"labelSelector": "app=cart"})
    path = f"/api/v1/namespaces/shop/pods/{pods['items'][0]['metadata']['name']}/log"
    recent = (await api.get(path, params={"sinceSeconds": 60})).text.splitlines()
    assert 3 < len(recent) < 60
    assert (await api.get(path, params={"tailLines": 3})).text.splitlines() == recent[-3:]
    stamped = (await api.get(path, params={"tailLines": 1, "timestamps": "true"})).text
    assert stamped.startswith("2025-11-25T05:53:")
    assert len((await api.get(path, params={"limitBytes": 50})).content) == 50
    assert (await api.get(path, params={"previous": "true"})).status_code == 400
    assert (await api.get(path, params={"container": "nope"})).status_code == 400
    assert (await api.get(path, params={"tailLines": "many"})).status_code == 400
    async with api.client.stream("GET", path, params={"follow": "1", "tailLines": 1}) as answer:
        chunks = answer.aiter_text()
        assert (await anext(chunks)).strip() == recent[-1]
        clock.moment += 20.0
        assert '"level":"info"' in await anext(chunks)


async def test_exec_answers_with_streams_and_an_exit_code(fleet_with):
    fleet = fleet_with()
    url = "https://api.prod-virginia.sim.invalid:6443"
    token = token_of(1, "prod-virginia")
    target = Target(base_url=url, name="kubernetes", cluster="prod-virginia", bearer=lambda: token)
    api = KubernetesClient(HttpClient(target, transport=fleet.transport(url), retries=0))
    pods = await api.list("/api/v1/namespaces/shop/pods")
    running = next(p["metadata"]["name"] for p in pods if p["status"]["phase"] == "Running")
    done = next(p["metadata"]["name"] for p in pods if p["status"]["phase"] == "Succeeded")

    async def run(*command, pod=running):
        return await api.exec("shop", pod, None, list(command), timeout=5)

    assert (await run("hostname")).stdout.decode() == f"{running}\n"
    assert b"Red Hat" in (await run("cat", "/etc/os-release")).stdout
    assert (await run("sh", "-c", "echo 'a  b'")).stdout == b"a  b\n"
    assert (await run("sh", "-c", "echo '")).exit_code == 2
    missing = await run("cat", "/nope")
    assert (missing.exit_code, missing.stderr) == (1, b"cat: /nope: No such file or directory\n")
    unknown = await run("nvidia-smi")
    assert unknown.exit_code == 127
    assert b"executable file not found" in unknown.stderr
    assert (await run("false")).exit_code == 1
    assert (await run("true")).exit_code == 0
    assert (await run("date")).stdout.startswith(b"Tue Nov 25 05:53:20 UTC")
    with pytest.raises(BackendRefused, match="completed pod"):
        await run("hostname", pod=done)


async def test_the_vaults_verbs_work_on_secrets(fleet_with):
    api = Api(fleet_with())
    path = "/api/v1/namespaces/default/secrets"
    body = {"metadata": {"name": "s", "labels": {"a": "b"}}, "stringData": {"k": "v"}}
    made = await api.client.post(path, json=body)
    assert made.status_code == 201
    assert made.json()["data"] == {"k": "dg=="}
    again = await api.client.post(path, json=body)
    assert (again.status_code, again.json()["reason"]) == (409, "AlreadyExists")
    patched = await api.client.patch(f"{path}/s", json={"data": {"k": None, "n": "eA=="}})
    assert patched.json()["data"] == {"n": "eA=="}
    stale = {**made.json(), "data": {"k": "eQ=="}}
    assert (await api.client.put(f"{path}/s", json=stale)).status_code == 409
    fresh = {**patched.json(), "data": {"k": "eQ=="}}
    assert (await api.client.put(f"{path}/s", json=fresh)).json()["data"] == {"k": "eQ=="}
    listed = await api.json(path, params={"labelSelector": "a=b"})
    assert [one["metadata"]["name"] for one in listed["items"]] == ["s"]
    bad = await api.client.post(path, json={"metadata": {"name": "t"}, "data": {"k": "!"}})
    assert bad.status_code == 422
    assert (await api.client.post(path, json={})).status_code == 422
    assert (await api.client.post(path, content=b"[]")).status_code == 400
    assert (await api.client.post(path, content=b"{")).status_code == 400
    assert (await api.client.delete(f"{path}/s")).status_code == 200
    assert (await api.get(f"{path}/s")).status_code == 404


async def test_reviews_tell_who_one_is_and_what_one_may(fleet_with):
    fleet = fleet_with()
    viewer = Api(fleet, role="viewer")

    async def may(verb, resource, subresource=""):
        attributes = {"verb": verb, "resource": resource, "subresource": subresource}
        answer = await viewer.client.post(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json={"spec": {"resourceAttributes": attributes}},
        )
        assert answer.status_code == 201
        return answer.json()["status"]["allowed"]

    assert await may("list", "pods")
    assert not await may("create", "pods", "exec")
    assert not await may("get", "secrets")
    who = await viewer.client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
    assert who.json()["status"]["userInfo"]["username"] == "system:serviceaccount:aiops:viewer"
    for token, known in ((token_of(1, "prod-virginia"), True), ("nope", False)):
        review = await viewer.client.post(
            "/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": {"token": token}}
        )
        assert review.json()["status"]["authenticated"] is known
    unknown = await viewer.client.post("/apis/x/v1/otherreviews", json={})
    assert unknown.status_code == 404


async def test_discovery_in_both_forms_names_the_same_resources(fleet_with):
    api = Api(fleet_with(), "fleet-hub")
    legacy = set()
    groups = (await api.json("/apis"))["groups"]
    for group in groups:
        version = group["preferredVersion"]["groupVersion"]
        assert (await api.json(f"/apis/{group['name']}"))["name"] == group["name"]
        for one in (await api.json(f"/apis/{version}"))["resources"]:
            if "/" not in one["name"]:
                legacy.add((group["name"], one["name"]))
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    whole = await api.get("/apis", headers={"accept": accept})
    assert "apidiscovery" in whole.headers["content-type"]
    aggregated = {
        (item["metadata"]["name"], one["resource"])
        for item in whole.json()["items"]
        for one in item["versions"][0]["resources"]
    }
    assert aggregated == legacy
    assert ("cluster.open-cluster-management.io", "managedclusters") in legacy
    core = (await api.json("/api/v1"))["resources"]
    assert {"pods", "pods/exec", "pods/log", "services/proxy"} <= {one["name"] for one in core}
    assert (await api.json("/api"))["versions"] == ["v1"]
    assert (await api.json("/version"))["gitVersion"] == "v1.31.7"
    assert "[+]etcd ok" in (await api.get("/readyz?verbose")).text


async def test_the_service_proxy_reaches_prometheus_and_alertmanager(fleet_with):
    api = Api(fleet_with())
    base = "/api/v1/namespaces/monitoring/services"
    query = await api.json(
        f"{base}/http:prometheus-k8s:9090/proxy/api/v1/query", params={"query": "count(up == 1)"}
    )
    assert int(query["data"]["result"][0]["value"][1]) > 40
    posted = await api.client.post(
        f"{base}/prometheus-k8s:web/proxy/api/v1/query", data={"query": "vector(7)"}
    )
    assert posted.json()["data"]["result"][0]["value"][1] == "7"
    alerts = await api.json(f"{base}/alertmanager-main/proxy/api/v2/alerts")
    assert [one["labels"]["alertname"] for one in alerts] == ["Watchdog"]
    refused = await api.get(f"{base}/http:nothing:80/proxy/")
    assert refused.status_code == 503
