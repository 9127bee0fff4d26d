import pytest

from aiops_mcp.errors import BackendRefused, ClusterUnreachable, InvalidPromql
from aiops_mcp.fleet import metric_names
from aiops_mcp.fleet.metric_names import MetricNames, Window
from aiops_mcp.models.metrics import MetricMetadata
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings


class Prometheus:
    def __init__(self, names=(), metadata=None, series=(), error=None):
        self.names, self.told, self.found, self.error = names, metadata, series, error
        self.calls = []

    async def labels(self, match=(), start=None, end=None, limit=None):
        return self._answer(("labels", tuple(match), start, end), self.names)

    async def label_values(self, name, match=(), start=None, end=None, limit=None):
        return self._answer(("values", name, tuple(match), start, end), self.names)

    async def series(self, match, start=None, end=None, limit=None):
        return self._answer(("series", tuple(match), start, end, limit), self.found)

    async def metadata(self):
        if isinstance(self.told, Exception):
            raise self.told
        return self._answer(("metadata",), self.told or {})

    def _answer(self, call, value):
        self.calls.append(call)
        if self.error:
            raise self.error
        return value

    async def aclose(self):
        pass


@pytest.fixture
def make(fakes, clock):
    def build(**clients):
        connect = fakes.FakeConnect({("prometheus", n): c for n, c in clients.items()})
        fleet = fakes.make_fleet([fakes.cluster(n) for n in clients], clock, connect)
        return MetricNames(fleet, Settings(_env_file=None))

    return build


async def test_labels_are_told_once_with_their_clusters(make):
    one, two = Prometheus(("job", "pod")), Prometheus(("job", "node"))
    down = Prometheus(error=ClusterUnreachable("down"))
    names = make(aaa=one, bbb=two, ccc=down)
    listing = await names.labels(principal=LOCAL_ADMIN, match=["up"], window=Window(1.0, 2.0))
    assert listing.entries == ("job", "node", "pod")
    assert [found.clusters for found in listing.found] == [("aaa", "bbb"), ("bbb",), ("aaa",)]
    assert listing.coverage.text == "2 of 3 clusters answered"
    assert listing.cut == ()
    assert one.calls == [("labels", ("up",), 1.0, 2.0)]


async def test_values_are_kept_for_the_ttl_of_labels(make, clock):
    one = Prometheus(("a",))
    names = make(aaa=one)
    for _ in range(2):
        await names.label_values("job", principal=LOCAL_ADMIN)
        clock.advance(299)
    assert len(one.calls) == 1
    clock.advance(1)
    await names.label_values("job", principal=LOCAL_ADMIN)
    await names.label_values("pod", principal=LOCAL_ADMIN)
    assert [call[1] for call in one.calls] == ["job", "job", "pod"]


async def test_a_bad_selector_is_refused_before_anybody_is_asked(make):
    one = Prometheus()
    names = make(aaa=one)
    for call in (
        names.labels(match=["up{"], principal=LOCAL_ADMIN),
        names.label_values("job", match=["sum(up)"], principal=LOCAL_ADMIN),
        names.series(["up", "}"], principal=LOCAL_ADMIN),
    ):
        with pytest.raises(InvalidPromql):
            await call
    assert one.calls == []


async def test_series_are_cut_and_the_cut_is_told(make):
    sets = tuple({"pod": str(n)} for n in range(3))
    names = make(aaa=Prometheus(series=sets), bbb=Prometheus(series=sets[:1]))
    listing = await names.series(["up"], principal=LOCAL_ADMIN, limit=2)
    assert listing.entries == ({"pod": "0"}, {"pod": "1"})
    assert listing.found[0].clusters == ("aaa", "bbb")
    assert listing.cut == ("aaa",)


async def test_nobody_answering_is_an_error(make):
    with pytest.raises(ClusterUnreachable):
        await make(aaa=Prometheus(error=ClusterUnreachable("x"))).labels(principal=LOCAL_ADMIN)


async def test_metadata_of_every_metric_that_there_is(make):
    described = MetricMetadata(name="http_requests", type="counter", help="All requests.")
    fuller = described.model_copy(update={"help": "All HTTP requests, by code."})
    latency = MetricMetadata(name="latency", type="histogram", help="Seconds.", unit="s")
    one = Prometheus(
        ("http_requests_total", "latency_bucket", "plain"),
        {"http_requests": described, "latency": latency, "unused": latency},
    )
    two = Prometheus(("http_requests_total",), {"http_requests": fuller})
    listing = await make(aaa=one, bbb=two).metadata(principal=LOCAL_ADMIN)
    assert [(m.name, m.type, m.help, m.unit) for m in listing.entries] == [
        ("http_requests_total", "counter", "All HTTP requests, by code.", ""),
        ("latency_bucket", "histogram", "Seconds.", "s"),
        ("plain", "unknown", "", ""),
    ]
    assert listing.found[0].clusters == ("aaa", "bbb")


@pytest.mark.parametrize(("status", "fine"), [(404, True), (405, True), (403, False), (500, False)])
async def test_a_server_without_metadata_still_tells_its_names(make, status, fine):
    one = Prometheus(("plain",), BackendRefused("no", http_status=status))
    asked = make(aaa=one).metadata(principal=LOCAL_ADMIN)
    if fine:
        assert [m.name for m in (await asked).entries] == ["plain"]
    else:
        with pytest.raises(BackendRefused):
            await asked


def test_sizes_grow_with_what_is_kept():
    texts = metric_names._size(("a" * 100,) * 10)
    assert texts == 512 + 10 * 180
    assert metric_names._size((MetricMetadata(name="x", help="h" * 50),)) == 512 + 650
    assert metric_names._size(({"a": "b"},)) == 1512
