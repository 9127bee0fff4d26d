"""What is asked about an incident where its alert leads nowhere, or its cluster is gone."""

from datetime import timedelta
from uuid import uuid4

import pytest

from aiops_mcp.background import INVESTIGATOR
from aiops_mcp.capabilities.analysis import sources_of
from aiops_mcp.errors import ClusterNotFound
from aiops_mcp.fleet.incident_inquiry import inquire
from aiops_mcp.fleet.rca_collecting import RcaSources
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.incident import Incident, IncidentAlert, IncidentState
from aiops_mcp.models.rootcause import TriggerKind

pytestmark = pytest.mark.timeout(60)


def incident(app, *components: str, cluster: str = "dev-dublin") -> Incident:
    now = app.context.clock()
    began = now - timedelta(minutes=20)
    alerts = tuple(
        IncidentAlert(
            fingerprint=f"f-{component}",
            alertname="KubeJobFailed",
            cluster_name=cluster,
            severity=AlertSeverity.WARNING,
            component=component,
            starts_at=began,
        )
        for component in components
    )
    return Incident(
        id=uuid4(),
        title="t",
        severity=AlertSeverity.WARNING,
        state=IncidentState.OPEN,
        clusters=(cluster,),
        started_at=began,
        alerts=alerts,
        created_at=now,
        updated_at=now,
    )


def sources(app) -> RcaSources:
    return RcaSources(sources_of(app.context), app.context.logs, app.context.traces)


async def test_an_alert_that_leads_nowhere_is_answered_by_its_cluster(fleet_in) -> None:
    app = await fleet_in("storage-gone", clusters=("dev-dublin",))
    found = await inquire(sources(app), incident(app, "shop/cart"), INVESTIGATOR)
    trigger = found.rca.trigger
    assert (trigger.kind, trigger.id, trigger.name) == (
        TriggerKind.ALERT,
        "f-shop/cart",
        "KubeJobFailed",
    )
    assert "batch/warehouse-scratch" in [one.component for one in found.rca.causes[:3]]
    assert found.problem is None
    own = await inquire(sources(app), incident(app, "batch/warehouse-sync"), INVESTIGATOR)
    assert own.rca.trigger.component == "batch/warehouse-sync"
    assert own.problem is not None
    assert own.problem.cluster_name == "dev-dublin"
    assert own.together.problem_of(incident(app, "batch/warehouse-sync").alerts[0]) is own.problem
    several = incident(app, "batch/warehouse-sync", "shop/cart")
    both = await inquire(sources(app), several, INVESTIGATOR)
    assert both.rca.trigger.component is None


async def test_a_cluster_that_was_removed_is_named(fleet_in) -> None:
    app = await fleet_in(clusters=("dev-dublin",))
    with pytest.raises(ClusterNotFound, match="gone-1 is no longer registered"):
        await inquire(sources(app), incident(app, "a/b", cluster="gone-1"), INVESTIGATOR)
