"""The scrape targets of a cluster as ``/api/v1/targets`` shows them."""

from datetime import UTC, datetime
from typing import Any

from aiops_mcp.simulation.store import SCRAPE_INTERVAL_MS, WorldStore, evaluate_now


def scrape_targets(store: WorldStore, moment: float) -> dict[str, Any]:
    """Every target with its health at a moment."""
    series = store.signals("up")
    health = evaluate_now([one.signal for one in series], moment)
    interval = SCRAPE_INTERVAL_MS // 1000
    when = datetime.fromtimestamp(moment - moment % interval, UTC).isoformat()
    active: list[dict[str, Any]] = []
    for one, up in zip(series, health, strict=True):
        labels = {name: value for name, value in one.labels.items() if name != "__name__"}
        path = labels.get("metrics_path", "/metrics")
        url = f"http://{labels['instance']}{path}"
        error = "" if up else f'Get "{url}": context deadline exceeded'
        active.append(
            {
                "discoveredLabels": {"__address__": labels["instance"], "__metrics_path__": path},
                "labels": labels,
                "scrapePool": f"serviceMonitor/monitoring/{labels['job']}/0",
                "scrapeUrl": url,
                "globalUrl": url,
                "lastError": error,
                "lastScrape": when,
                "lastScrapeDuration": 0.04 if up else 10.0,
                "health": "up" if up else "down",
                "scrapeInterval": f"{interval}s",
                "scrapeTimeout": "10s",
            }
        )
    return {"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": {}}
