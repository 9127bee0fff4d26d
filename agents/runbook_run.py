"""Following a runbook: its steps in order, the calls of each, and what each showed.

Calls go through a session, as those of any command do. A call whose place nobody knows is left
out and said so; one that changes something is planned first and made only with consent. What a
call answers is shown, never obeyed.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.runbook_calls import filled, is_name
from aiops_mcp.fleet.tool_names import KnownTools
from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.runbook import Runbook, RunbookCall, RunbookStep
from aiops_mcp.operation import Effect, Progress, no_progress

if TYPE_CHECKING:
    from agents.session import Session
    from aiops_mcp.capabilities.alerts import AlertList


class Outcome(StrEnum):
    SHOWN = "shown"
    """A reading call answered."""
    DONE = "done"
    """A call that changes something was made, with consent."""
    LEFT_OUT = "left out"
    """Not made: something it needs is not known, or it was not consented to."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Shown:
    """What one call showed; ``said`` is the answer's first line, or why there is none."""

    tool: str
    arguments: Mapping[str, Any]
    outcome: Outcome
    said: str
    digest: Digest | None = None
    error: AiopsError | None = None


@dataclass(frozen=True, slots=True)
class StepBegun:
    number: int
    step: RunbookStep


@dataclass(frozen=True, slots=True)
class StepDone:
    number: int
    step: RunbookStep
    calls: tuple[Shown, ...]


AskConsent = Callable[[str, Mapping[str, Any], Digest], Awaitable[bool]]
"""``(tool, arguments, plan)``: whether a person wants it done."""


@dataclass(slots=True)
class Following:
    """Follows a runbook. ``consent`` None: nothing that changes something is called at all."""

    session: "Session"
    tools: KnownTools
    known: Mapping[str, str]
    consent: AskConsent | None = None
    progress: Progress = field(default=no_progress)

    async def follow(self, runbook: Runbook) -> AsyncGenerator[StepBegun | Shown | StepDone]:
        """Each step as it begins, each call as it answers, each step as it ends.

        A call that fails does not end the run; nothing is raised but cancellation.
        """
        for number, step in enumerate(runbook.steps, 1):
            yield StepBegun(number, step)
            calls: list[Shown] = []
            for call in step.calls:
                calls.append(await self._call(call))
                yield calls[-1]
            yield StepDone(number, step, tuple(calls))

    async def _call(self, call: RunbookCall) -> Shown:
        tool = self.tools.get(call.tool)
        arguments, left_out = filled(call.arguments, self.known)
        if tool is None:
            said = "no tool of this server; the agent may have it in a chat"
            return Shown(call.tool, arguments, Outcome.LEFT_OUT, said)
        fields = tool.request_type.model_fields
        for name, place in left_out.items():
            if name not in fields or fields[name].is_required():
                said = f"which {place} is not known: say it with --{place}"
                return Shown(call.tool, arguments, Outcome.LEFT_OUT, said)
        try:
            if tool.effect is not Effect.READ:
                return await self._change(call.tool, arguments)
            digest = await self.session.ask(call.tool, arguments, progress=self.progress)
        except AiopsError as error:
            return Shown(call.tool, arguments, Outcome.FAILED, error.message, error=error)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(step) for step in fault["loc"]) or "arguments"
            return Shown(call.tool, arguments, Outcome.FAILED, f"{path}: {fault['msg']}")
        return Shown(call.tool, arguments, Outcome.SHOWN, digest.headline, digest)

    async def _change(self, tool: str, arguments: dict[str, Any]) -> Shown:
        if self.consent is None:
            said = "it changes something: --yes lets it, and asks before each"
            return Shown(tool, arguments, Outcome.LEFT_OUT, said)
        given = {name: value for name, value in arguments.items() if name != "dry_run"}
        plan = await self.session.ask(tool, {**given, "dry_run": True})
        if not await self.consent(tool, given, plan):
            return Shown(tool, given, Outcome.LEFT_OUT, f"not wanted: {plan.headline}", plan)
        digest = await self.session.ask(tool, given, progress=self.progress)
        return Shown(tool, given, Outcome.DONE, digest.headline, digest)


def known_of(given: Mapping[str, str | None]) -> dict[str, str]:
    """What a person said of places, and what follows from it.

    ``shop/payment`` as a component tells the namespace and, as part of its name, the pod.
    """
    known = {place: value for place, value in given.items() if value}
    namespace, slash, name = known.get("component", "").partition("/")
    if slash and namespace and name:
        known.setdefault("namespace", namespace)
        known.setdefault("pod", name)
    return known


_LABELS: Mapping[str, Sequence[str]] = {
    "namespace": ("exported_namespace", "namespace"),
    "pod": ("exported_pod", "pod"),
    "node": ("node", "Hostname", "instance"),
}
_WORKLOADS = ("deployment", "statefulset", "daemonset", "job_name")


async def places_of_alert(session: "Session", alert: str, cluster: str | None) -> dict[str, str]:
    """What the labels of a firing alert tell of places; nothing where it does not fire.

    Labels come from a cluster: only what is a name is taken, so that none changes a query.

    Raises:
        AiopsError: no cluster answers.
    """
    wanted = {"clusters": [cluster]} if cluster else {}
    answer = cast("AlertList", await session.read("list_alerts", wanted))
    firing = [each for each in answer.alerts if each.alertname.lower() == alert.lower()]
    if not firing:
        return {}
    first = min(firing, key=lambda each: each.starts_at)
    return {"cluster": first.cluster_name, **_places(first)}


def _places(alert: Alert) -> dict[str, str]:
    labels = {name: value for name, value in alert.labels.items() if is_name(value)}
    found = {
        place: next((labels[name] for name in names if name in labels), "")
        for place, names in _LABELS.items()
    }
    # Of a pod's alert the instance is whoever exports its metrics.
    if found["pod"] and not labels.get("node"):
        found["node"] = ""
    found["node"] = found["node"].partition(":")[0]
    # Beside an instance or a pod the service is the exporter's; a rule by service has neither.
    is_of_service = not (found["pod"] or "instance" in labels)
    named = (*_WORKLOADS, "service") if is_of_service else _WORKLOADS
    workload = next((labels[name] for name in named if name in labels), "")
    if found["namespace"] and workload:
        found["component"] = f"{found['namespace']}/{workload}"
        found["pod"] = found["pod"] or workload
    return {place: value for place, value in found.items() if value}


def summary(runbook: Runbook, steps: Sequence[StepDone], seconds: float) -> Digest:
    """What was asked and what it said, in one table."""
    rows = [
        (done.number, shown.tool, shown.outcome.value, shown.said)
        for done in steps
        for shown in done.calls
    ]
    count = {each: sum(row[2] == each.value for row in rows) for each in Outcome}
    said = ", ".join(f"{number} {each.value}" for each, number in count.items() if number)
    return Digest(
        headline=f"{runbook.title}: {len(steps)} of {len(runbook.steps)} steps, "
        f"{len(rows)} calls ({said or 'none'}) in {seconds:.1f} s.",
        columns=("step", "call", "outcome", "what it said"),
        rows=tuple(rows),
    )


def nothing_answered(steps: Sequence[StepDone]) -> bool:
    """Whether calls were made and every one failed."""
    outcomes = [shown.outcome for done in steps for shown in done.calls]
    made = [each for each in outcomes if each is not Outcome.LEFT_OUT]
    return bool(made) and all(each is Outcome.FAILED for each in made)
