"""A source that is away while a question of several sources is asked: said so, never "all is well"."""

from collections.abc import Callable

import httpx2
import pytest

from aiops_mcp.errors import AiopsError

pytestmark = pytest.mark.timeout(120)

CLUSTER = "dev-dublin"
Carry = Callable[[str], httpx2.AsyncBaseTransport | None]


class Away(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)


def without(*backends: str) -> Callable[[Carry], Carry]:
    """Nothing answers at those backends' hosts."""

    def through(carry: Carry) -> Carry:
        return lambda url: (
            Away() if httpx2.URL(url).host.partition(".")[0] in backends else carry(url)
        )

    return through


async def test_a_quiet_cluster_is_not_called_well_where_its_series_are_not_known(fleet_in):
    app = await fleet_in("healthy", clusters=(CLUSTER,), through=without("prometheus"))
    told = await app.ask("analyze_root_cause", {"cluster": CLUSTER})
    assert told.rows == ()
    assert "it cannot be told, since the series could not be read" in told.headline
    assert any(note.startswith("not known: series: ") for note in told.notes)


async def test_neither_is_one_whose_alerts_are_not_known(fleet_in):
    app = await fleet_in("healthy", clusters=(CLUSTER,))
    told = await app.ask("analyze_root_cause", {"cluster": CLUSTER, "time": "-3h"})
    assert "series is otherwise than usual, alerts were not read" in told.headline
    whole = await app.ask("analyze_root_cause", {"cluster": CLUSTER})
    assert "series is otherwise than usual, no alert fires" in whole.headline


async def test_where_nothing_answers_nothing_is_correlated(fleet_in):
    every = ("prometheus", "alertmanager", "api", "loki", "tempo")
    app = await fleet_in("healthy", clusters=(CLUSTER,), through=without(*every))
    with pytest.raises(AiopsError):
        await app.ask("correlate", {"clusters": [CLUSTER]})
