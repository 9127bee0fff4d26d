"""Which tools answer a question without a model: first a look, then closer at what is worst.

Knows the read-only tools by name and what their digests name; makes the calls through ``Calls``.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from agents.conversation import Question, Step
from agents.evidence_causes import PROBLEMS, RANKING
from agents.without_model_asked import Asked, Topic, clusters_named, component_named
from agents.without_model_calls import Calls, Wanted
from aiops_mcp.models.chat import NamedCause

MOST_CLUSTERS = 3
"""So many are looked at closely: a ranking reads hundreds of series."""
MOST_UNUSUAL = 2
ANOMALIES = "detect_anomalies"
LEAST_SCORE, LEAST_ALONE = 0.3, 0.5
"""Of a cause beside others, and of one where triage sees no problem."""
_NOW: Final = timedelta(minutes=2)
_LONGEST: Final = timedelta(hours=6)

_TOOLS: Final[dict[Topic, tuple[str, ...]]] = {
    Topic.TROUBLE: (),
    Topic.ALERTS: ("list_alerts",),
    Topic.CHANGES: ("get_changes",),
    Topic.GPU: ("get_gpu_health",),
    Topic.CLOCK: ("get_ptp_status",),
    Topic.CNF: ("get_cnf_workloads",),
    Topic.MODEL_SERVERS: ("get_model_servers",),
    Topic.LOGS: (),
    Topic.CLUSTERS: ("list_clusters",),
    Topic.RUNBOOK: (),
}
_INSTEAD: Final = ("list_alerts", "list_unhealthy")
"""What is asked where the persona has no triage."""
_CLUSTERLIKE: Final = re.compile(r"\bclusters?\s+[`'\"]?([a-z0-9][\w.-]*[a-z0-9])", re.IGNORECASE)


class Choice:
    """The calls of one question, chosen as results come."""

    def __init__(self, question: Question, asked: Asked, calls: Calls, now: datetime) -> None:
        self.asked = asked
        self.calls = calls
        self.unknown: tuple[str, ...] = ()
        self._question = question
        self._now = now
        self._known: tuple[str, ...] = question.clusters
        scope = question.time_scope
        if asked.at is None and scope.end is not None and now - scope.end > _NOW:
            self.asked = replace(asked, at=scope.end)

    # --- the first look ---------------------------------------------------------------------

    async def first(self) -> AsyncGenerator[Step]:
        """Whom the question names, and what triage and the tools of its topic say of them."""
        if self._names_somebody() and "list_clusters" in self.calls.offered:
            async for step in self._made([Wanted("list_clusters", {"page_size": 100})]):
                yield step
            self._known = self._cluster_names()
        self._settle_clusters()
        async for step in self._made(self._first_calls()):
            yield step
        self._settle_component()

    def _names_somebody(self) -> bool:
        return bool(self.asked.words) or self.asked.topic is Topic.CLUSTERS

    def _cluster_names(self) -> tuple[str, ...]:
        rows = [row for got in self.calls.of("list_clusters") for row in got.table.rows]
        names = (str(row.get("name")) for row in rows if row.get("name"))
        return tuple(dict.fromkeys((*self._question.clusters, *names)))

    def _settle_clusters(self) -> None:
        named = clusters_named(self.asked, self._known)
        if not self._known:
            named = tuple(match[1] for match in _CLUSTERLIKE.finditer(self.asked.text))
        first_parts = {name.partition("-")[0] for name in self._known if "-" in name}
        self.unknown = tuple(
            word
            for word in self.asked.said
            if not named
            and self._known
            and "-" in word
            and "/" not in word
            and word.lower().partition("-")[0] in first_parts
        )
        if named:
            self.asked = replace(self.asked, clusters=named)

    def _first_calls(self) -> list[Wanted]:
        asked = self.asked
        among = self._among()
        calls = [Wanted(name, among, asked.clusters) for name in _TOOLS[asked.topic]]
        if asked.topic is Topic.CLUSTERS:
            calls = [Wanted("list_clusters", {"page_size": 100})]
            calls += [Wanted("get_fleet_summary")]
        if asked.topic is Topic.RUNBOOK:
            about = {"alert": asked.alert} if asked.alert else {"search": asked.text[:200]}
            calls = [Wanted("find_runbook", about)]
        if asked.wants_cause or not calls:
            if PROBLEMS in self.calls.offered:
                calls.append(Wanted(PROBLEMS, among, asked.clusters))
            else:
                self.calls.lacking[PROBLEMS] = None
                calls += [Wanted(name, among, asked.clusters) for name in _INSTEAD]
        return calls

    def _among(self) -> dict[str, Any]:
        return {"clusters": list(self.asked.clusters)} if self.asked.clusters else {}

    # --- closer -----------------------------------------------------------------------------

    async def deeper(self) -> AsyncGenerator[Step]:
        """The ranking of each cluster that is worst or asked about, and what changed there."""
        if not self.asked.wants_cause:
            return
        targets = self._targets()
        if not targets and self._may_be_silent():
            async for step in self._made([Wanted(ANOMALIES, {"window": "3h"})]):
                yield step
            targets = self._clusters_unusual()
        wanted = [self._ranking(cluster) for cluster in targets]
        if self.asked.alert:
            wanted.insert(0, self._ranking(targets[0] if targets else None, alert=self.asked.alert))
        elif self.asked.component and targets:
            wanted.append(self._ranking(targets[0], component=self.asked.component))
        if targets and "get_changes" in self.calls.offered:
            wanted.append(Wanted("get_changes", self._changes_of(targets[0]), (targets[0],)))
        wanted += self._logs(targets)
        async for step in self._made(wanted):
            yield step
        late = self._pointed_at()
        if self.asked.alert and not targets:
            late += self._clusters_of_rankings()[:1]
        async for step in self._made([self._ranking(cluster) for cluster in late]):
            yield step

    def _may_be_silent(self) -> bool:
        """Whether something may be wrong that rings no alert: triage saw nothing, of anything."""
        asked = self.asked
        is_open = asked.topic is Topic.TROUBLE and not (asked.alert or self.unknown)
        return is_open and ANOMALIES in self.calls.offered and bool(self.calls.of(PROBLEMS))

    def _clusters_unusual(self) -> list[str]:
        """Clusters in which something has been highly unusual, the most such first."""
        rows = [row for got in self.calls.of(ANOMALIES) for row in got.table.rows]
        named = [_cluster(row) for row in rows if row.get("severity") == "HIGH"]
        return list(dict.fromkeys(one for one in named if one))[:MOST_UNUSUAL]

    def _logs(self, targets: Sequence[str]) -> list[Wanted]:
        """The logs of what is asked about, where logs are asked for."""
        about = self.asked.component or next(iter(self._subjects()), None)
        if self.asked.topic is not Topic.LOGS or about is None:
            return []
        space, _, name = about.rpartition("/")
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
            return []
        within = f'namespace="{space}",' if re.fullmatch(r"[\w-]+", space) else ""
        arguments: dict[str, Any] = {"query": f'{{{within}pod=~"{re.escape(name)}.*"}}'}
        if targets:
            arguments["clusters"] = list(targets)
        return [Wanted("query_logs", arguments, tuple(targets))]

    def _subjects(self) -> list[str]:
        """What the grammar of the question makes its subject, clusters left out."""
        clusters = {name.lower() for name in self._known}
        return [word for word in self.asked.said if word.lower() not in clusters]

    def _pointed_at(self) -> list[str]:
        """Clusters that the likeliest cause of another one lies in, such as of ``payment.east``."""
        found: dict[str, None] = {}
        for got in self.calls.of(RANKING):
            for row in got.table.rows[:1]:
                _, dot, cluster = str(row.get("component") or "").rpartition(".")
                if dot and (cluster in self._known or (not self._known and "-" in cluster)):
                    found.setdefault(cluster, None)
        return [one for one in found if one not in self._clusters_of_rankings()]

    def _ranking(
        self, cluster: str | None, *, alert: str | None = None, component: str | None = None
    ) -> Wanted:
        arguments: dict[str, Any] = {"cluster": cluster} if cluster else {}
        if alert:
            arguments["alert"] = alert
        if component:
            arguments["component"] = component
        if self.asked.at is not None and not alert:
            arguments["time"] = f"{self.asked.at:%Y-%m-%dT%H:%M:%SZ}"
            start = self._question.time_scope.start
            if start is not None and start < self.asked.at:
                lasted = min(self.asked.at - start, _LONGEST)
                arguments["window"] = f"{max(int(lasted.total_seconds() // 60), 10)}m"
        return Wanted(RANKING, arguments, (cluster,) if cluster else ())

    def _changes_of(self, cluster: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {"clusters": [cluster]}
        if self.asked.at is not None:
            arguments["before"] = f"{self.asked.at:%Y-%m-%dT%H:%M:%SZ}"
        return arguments

    def _targets(self) -> list[str]:
        """Clusters to look at: those with the component asked, those asked, those in trouble."""
        troubled = self._clusters_in_trouble()
        about = [row for row in self._problems() if _is_about(row, self.asked.component)]
        of_component = [_cluster(row) for row in about]
        if self.asked.clusters:
            mine = [name for name in troubled if name in self.asked.clusters]
            return list(dict.fromkeys((*mine, *self.asked.clusters)))[:MOST_CLUSTERS]
        return list(dict.fromkeys((*of_component, *troubled)))[:MOST_CLUSTERS]

    def _problems(self) -> list[dict[str, Any]]:
        return [dict(row) for got in self.calls.of(PROBLEMS) for row in got.table.rows]

    def _clusters_in_trouble(self) -> list[str]:
        named = [_cluster(row) for row in self._problems()]
        if not named and PROBLEMS not in self.calls.offered:
            for name in (*_TOOLS[self.asked.topic], *_INSTEAD):
                for got in self.calls.of(name):
                    named += [one for row in got.table.rows for one in self._clusters_in(row)]
        return list(dict.fromkeys(one for one in named if one))

    def _clusters_in(self, row: Any) -> list[str]:
        cells = [str(row.get(column) or "") for column in ("cluster", "clusters")]
        text = " ".join(cell.rpartition(":")[2] for cell in cells)
        return [word.strip(",") for word in text.split() if "-" in word or word in self._known]

    def _clusters_of_rankings(self) -> list[str]:
        heads = [got.table.headline.partition(" on ")[2] for got in self.calls.of(RANKING)]
        return [head.partition(":")[0].strip() for head in heads if head]

    def _settle_component(self) -> None:
        names = [str(row.get("component") or "") for row in self._problems()]
        for row in self._problems():
            names += [part for part in str(row.get("also") or "").split(",") if "x" not in part[:3]]
        component = component_named(self.asked, names, self._known)
        if component is None:
            component = next((word for word in self.asked.words if self._is_object(word)), None)
        self.asked = replace(self.asked, component=component)

    def _is_object(self, word: str) -> bool:
        """A node of a cluster, or ``namespace/name``."""
        low = word.lower()
        known = {name.lower() for name in self._known}
        of_cluster = any(low.startswith(f"{name}-") for name in known)
        return low not in known and (
            of_cluster or re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", low) is not None
        )

    async def _made(self, wanted: Sequence[Wanted]) -> AsyncGenerator[Step]:
        async with aclosing(self.calls.make(wanted)) as steps:
            async for step in steps:
                yield step

    # --- what may be said -------------------------------------------------------------------

    def believed(self, causes: Sequence[NamedCause]) -> tuple[NamedCause, ...]:
        """The causes that may be named: none for a listing, none that hardly scores."""
        if not self.asked.wants_cause:
            return ()
        troubled = set(self._clusters_in_trouble())
        kept = [
            one
            for one in causes
            if one.score is None
            or one.score >= (LEAST_SCORE if one.cluster_name in troubled else LEAST_ALONE)
        ]
        return tuple(kept)

    def has_answer(self, causes: Sequence[NamedCause]) -> bool:
        """Whether anything that was asked answers the question."""
        return (
            bool(causes)
            or (
                any(one.is_good and one.wanted.name != "list_clusters" for one in self.calls.got)
                and not self.unknown
            )
            or (self.asked.topic is Topic.CLUSTERS and bool(self.calls.of("list_clusters")))
        )

    def why_no_answer(self) -> str:
        """The reason why there is not enough data."""
        if self.unknown:
            return f"The fleet has no cluster called {', '.join(self.unknown)}."
        if self.calls.failed():
            return "The tools that were asked gave no answer."
        return "The persona has no tool that could answer it."


def _cluster(row: Any) -> str:
    return str(row.get("cluster") or "").partition(" ")[0]


def _is_about(row: Any, component: str | None) -> bool:
    if component is None:
        return False
    name = component.rpartition("/")[2]
    told = f"{row.get('component')},{row.get('also')}"
    return name in re.split(r"[,/]", told)
