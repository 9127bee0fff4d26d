"""That a root cause was looked for, as an event. Pure."""

from typing import Any

from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.rootcause import RCAResult


def rca_event(found: RCAResult, *, source: str, **more: Any) -> Event:
    """RCA_COMPLETE (contract §4) with the causes in short; ``more`` goes into its payload."""
    return Event(
        event_id=found.id,
        event_type=EventType.RCA_COMPLETE,
        source=source,
        cluster_id=found.cluster_id,
        cluster_name=found.cluster_name,
        timestamp=found.as_of,
        payload={
            "rca_id": str(found.id),
            "trigger": found.trigger.model_dump(mode="json"),
            "causes": [
                {"component": one.component, "score": one.score, "what": one.what}
                for one in found.causes
            ],
            "reason_if_empty": found.reason_if_empty,
            "onset": found.onset.isoformat() if found.onset else None,
            **more,
        },
    )
