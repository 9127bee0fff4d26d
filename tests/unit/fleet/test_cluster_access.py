import asyncio

import pytest

from aiops_mcp.errors import CredentialsNotFound
from aiops_mcp.fleet.access import RETIRE_SECONDS, BackendMissing, Clients
from aiops_mcp.models.cluster import ClusterEndpoints


class Client:
    def __init__(self):
        self.closed = False

    async def aclose(self):
        self.closed = True


class Connect:
    def __init__(self):
        self.built = []
        self.clients = []
        self.error = None

    async def _make(self, backend, cluster, credentials, url=None):
        await asyncio.sleep(1)
        self.built.append((backend, cluster.name, credentials, url))
        if self.error:
            raise self.error
        self.clients.append(Client())
        return self.clients[-1]

    async def prometheus(self, cluster, credentials, url):
        return await self._make("prometheus", cluster, credentials, url)

    async def alertmanager(self, cluster, credentials, url):
        return await self._make("alertmanager", cluster, credentials, url)

    async def kubernetes(self, cluster, credentials):
        return await self._make("kubernetes", cluster, credentials)

    async def readiness(self, cluster, credentials, backend, url):
        return await self._make(backend, cluster, credentials, url)


@pytest.fixture
def home(fakes):
    return fakes.cluster("aaa")


@pytest.fixture
def registry(fakes, home):
    return fakes.FakeRegistry([home])


@pytest.fixture
def connect():
    return Connect()


@pytest.fixture
def clients(registry, connect, clock):
    return Clients(registry, connect, clock.monotonic)


async def test_a_client_is_built_once_for_many_callers(clients, connect, registry, home):
    registry.credentials[home.id] = "secret"
    access = clients.access(home)
    made = await asyncio.gather(*(access.prometheus() for _ in range(5)))
    assert len(set(map(id, made))) == 1
    assert connect.built == [("prometheus", "aaa", "secret", "https://prometheus.aaa.example")]
    await asyncio.gather(access.alertmanager(), access.kubernetes(), access.kubernetes())
    assert [backend for backend, *_ in connect.built] == [
        "prometheus",
        "alertmanager",
        "kubernetes",
    ]
    assert registry.loads == 1


async def test_without_credentials_the_backend_is_asked_openly(clients, connect, home):
    await clients.access(home).prometheus()
    assert connect.built[0][2] is None
    assert not await clients.has_credentials(home)


async def test_credentials_that_cannot_be_opened_are_an_error_not_openness(
    clients, connect, registry, home, fakes
):
    async def refuse(_):
        raise CredentialsNotFound("the key is another")

    registry.credentials[home.id] = "sealed"
    registry.load_credentials = refuse
    with pytest.raises(CredentialsNotFound):
        await clients.access(home).prometheus()
    assert connect.built == []


async def test_new_access_means_new_clients_and_the_old_end_later(
    clients, connect, registry, home, clock
):
    old = await clients.access(home).prometheus()
    registry.revisions[home.id] = 1
    registry.credentials[home.id] = "new"
    new = await clients.access(home).prometheus()
    assert new is not old
    assert connect.built[-1][2] == "new"
    assert await clients.has_credentials(home)
    assert not old.closed
    clock.advance(RETIRE_SECONDS)
    registry.revisions[home.id] = 2
    await clients.access(home).prometheus()
    assert old.closed
    assert not new.closed


async def test_forgetting_builds_anew_and_closing_ends_all(clients, connect, home):
    first = await clients.access(home).prometheus()
    clients.forget(home.id)
    second = await clients.access(home).prometheus()
    assert second is not first
    await clients.aclose()
    assert first.closed
    assert second.closed


async def test_a_failed_build_is_tried_again(clients, connect, home):
    connect.error = ValueError("bad")
    with pytest.raises(ValueError, match="bad"):
        await clients.access(home).prometheus()
    connect.error = None
    assert await clients.access(home).prometheus() is connect.clients[0]


async def test_a_backend_that_is_not_there(clients, fakes):
    bare = fakes.cluster("bbb", endpoints=ClusterEndpoints())
    with pytest.raises(BackendMissing, match="bbb has no Prometheus") as caught:
        await clients.access(bare).prometheus()
    assert caught.value.backend == "Prometheus"
    with pytest.raises(BackendMissing, match="bbb has no Alertmanager"):
        await clients.access(bare).alertmanager()


async def test_a_look_at_loki(clients, connect, home):
    one = await clients.readiness(home, "loki", "https://loki")
    assert await clients.readiness(home, "loki", "https://loki") is one
    assert connect.built == [("loki", "aaa", None, "https://loki")]
