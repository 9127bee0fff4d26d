"""A source that is late is an error like others; what is quiet is said of what was read."""

import asyncio

import pytest

from aiops_mcp.errors import NotFound, QueryTimeout
from aiops_mcp.fleet.log_folding import NAMESPACE
from aiops_mcp.fleet.patience import in_time
from aiops_mcp.fleet.rca import why_quiet


async def test_what_is_late_is_a_timeout_of_that_source() -> None:
    with pytest.raises(QueryTimeout, match="no answer within 0 s") as late:
        await in_time("alerts", 0, asyncio.Event().wait())
    assert late.value.details == {"source": "alerts"}


async def test_what_is_in_time_is_what_it_is() -> None:
    async def answer(value: int) -> int:
        if value < 0:
            raise NotFound("none")
        return value

    assert await in_time("alerts", 5, answer(3)) == 3
    with pytest.raises(NotFound):
        await in_time("alerts", 5, answer(-1))


@pytest.mark.parametrize(
    ("looked_at", "said"),
    [
        ({"series", "alerts"}, "none of 7 series is otherwise than usual, no alert fires"),
        ({"series"}, "none of 7 series is otherwise than usual, alerts were not read"),
        (
            {"alerts"},
            "it cannot be told, since the series could not be read; no alert fires",
        ),
        (set(), "it cannot be told, since the series could not be read; alerts were not read"),
    ],
)
def test_well_is_said_only_of_what_was_read(looked_at: set[str], said: str) -> None:
    assert why_quiet(looked_at, 7) == said


@pytest.mark.parametrize("name", ["", "a|.*", 'x"} |= "', "Shop", "-a", "a" * 64])
def test_a_label_that_is_no_namespace_becomes_no_part_of_a_query(name: str) -> None:
    assert NAMESPACE.fullmatch(name) is None
    assert NAMESPACE.fullmatch("openshift-logging-2")
