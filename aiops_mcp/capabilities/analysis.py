"""What is wrong, by what series, logs and traces say: the group of operations and what they share.

The operations themselves are declared in files of their own.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError
from aiops_mcp.models.entity import Duration
from aiops_mcp.operation import Capability

if TYPE_CHECKING:
    from aiops_mcp.fleet.triage import Sources

analysis = Capability("analysis", "What is unusual, what changed, what caused it, what runs out.")

Window = Annotated[Duration, Field(description="Lookback")]
Step = Annotated[Duration | None, Field(description="Default fits the window")]
AboutComponent = Annotated[
    str | None, Field(description="namespace/name, or a node", max_length=300)
]
AboutAlert = Annotated[
    str | None, Field(description="Fingerprint, id or alertname", max_length=200)
]

NOTICED_AFTER = timedelta(minutes=15)
"""What is looked at beyond a time that was named: it is when somebody noticed."""
_NOW = timedelta(minutes=1)


def looked_until(time: str, now: datetime) -> tuple[datetime, bool]:
    """Until when is looked at what was noticed at ``time``, and whether that is now.

    Raises:
        InputError: it is no time, or lies in the future.
    """
    at = requested_moment(time, now, "time") or now
    if at > now:
        raise InputError("time lies in the future.", details={"field": "time"})
    if now - at < _NOW:
        return now, True
    return min(now, at + NOTICED_AFTER), False


def sources_of(context: Context) -> "Sources":
    """The services by which trouble is seen."""
    from aiops_mcp.fleet.triage import Sources

    return Sources(
        fleet=context.fleet,
        alerts=context.alerts,
        objects=context.objects,
        gpu_health=context.gpu_health,
        cnf=context.cnf,
        settings=context.settings,
        clock=context.clock,
    )
