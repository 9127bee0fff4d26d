"""Silences of the fleet: listed, and where writing is allowed, made and ended."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from aiops_mcp.backends.alertmanager_answers import NewSilence
from aiops_mcp.capabilities.alerts import alerts
from aiops_mcp.capabilities.silences_digest import digest_changes, digest_silences
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError
from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Duration, Entity, Timestamp, duration_seconds
from aiops_mcp.models.silences import FleetSilence, Matcher, SilenceOutcome, SilenceState
from aiops_mcp.operation import Clusters, Effect, Input, WriteInput

SomeClusters = Annotated[
    tuple[str, ...], Field(description="Names, ids or selectors", min_length=1)
]


class SilenceQuery(Input):
    clusters: Clusters = ()
    state: Annotated[SilenceState | None, Field(description="Default: active and pending")] = None


class SilenceList(Entity):
    """Silences, the first to end first."""

    silences: tuple[FleetSilence, ...]
    total: int
    coverage: Coverage
    as_of: Timestamp


def _digest_list(_: SilenceQuery, answer: SilenceList) -> Digest:
    return digest_silences(answer.silences, answer.coverage, answer.as_of)


@alerts.operation(
    "list_silences",
    route="GET /silences",
    needs="metrics:read",
    digest=_digest_list,
)
async def list_silences(context: Context, request: SilenceQuery) -> SilenceList:
    """What is silenced where, until when, by whom and why; the first to end first."""
    found = await context.alerts.silences.silences(request.clusters, context.principal)
    wanted = (
        {SilenceState.ACTIVE, SilenceState.PENDING} if request.state is None else {request.state}
    )
    shown = tuple(silence for silence in found.silences if silence.state in wanted)
    return SilenceList(
        silences=shown, total=len(shown), coverage=found.coverage, as_of=found.asked_at
    )


class SilenceChanges(Entity):
    """What was done in each cluster; before it is applied, which alerts it would mute."""

    applied: bool
    what: str
    outcomes: tuple[SilenceOutcome, ...] = ()
    alerts: tuple[Alert, ...] = ()
    ends_at: Timestamp | None = None
    coverage: Coverage
    as_of: Timestamp


def _digest_changes(_: WriteInput, answer: SilenceChanges) -> Digest:
    return digest_changes(answer)


class CreateSilence(WriteInput):
    clusters: SomeClusters
    matchers: Annotated[
        tuple[str, ...],
        Field(
            description='All must fit: alertname=X, severity=~"a|b"', min_length=1, max_length=20
        ),
    ]
    duration: Annotated[Duration, Field(description="Such as 2h")]
    comment: Annotated[str, Field(description="Why", min_length=3, max_length=1000)]


@alerts.operation(
    "create_silence",
    route="POST /silences",
    needs="metrics:write",
    effect=Effect.WRITE,
    digest=_digest_changes,
    status=201,
)
async def create_silence(context: Context, request: CreateSilence) -> SilenceChanges:
    """Silence alerts in some clusters for a while. First says what it would mute."""
    matchers = _matchers(request.matchers)
    length = _length(context, request.duration)
    now = context.clock()
    what = f"silence {' '.join(matcher.text for matcher in matchers)} for {request.duration}"
    silences = context.alerts.silences
    if request.dry_run:
        seen = await silences.preview(request.clusters, matchers, context.principal)
        return SilenceChanges(
            applied=False,
            what=what,
            alerts=seen.alerts,
            ends_at=now + length,
            coverage=seen.coverage,
            as_of=seen.asked_at,
        )
    silence = NewSilence(
        matchers=matchers,
        starts_at=now,
        ends_at=now + length,
        created_by=f"{context.principal.subject} (aiops)",
        comment=request.comment,
    )
    made = await silences.create(request.clusters, silence, context.principal)
    return SilenceChanges(
        applied=True,
        what=what,
        outcomes=made.outcomes,
        ends_at=now + length,
        coverage=made.coverage,
        as_of=made.asked_at,
    )


def _matchers(texts: tuple[str, ...]) -> tuple[Matcher, ...]:
    try:
        matchers = tuple(Matcher.parse(text) for text in texts)
    except ValueError as error:
        raise InputError(str(error), details={"fields": {"matchers": str(error)}}) from error
    if not any(_narrows(matcher) for matcher in matchers):
        raise InputError(
            "These matchers fit every alert.",
            "At least one must ask for a label that is there, such as alertname=NAME.",
        )
    return matchers


def _narrows(matcher: Matcher) -> bool:
    """Whether it does not fit an alert without the label; Alertmanager asks for one such."""
    if matcher.is_regex:
        return matcher.is_equal and matcher.value not in ("", ".*")
    return matcher.is_equal == bool(matcher.value)


def _length(context: Context, text: str) -> timedelta:
    most = context.settings.silence_max_hours
    seconds = duration_seconds(text)
    if not 0 < seconds <= most * 3600:
        raise InputError(
            f"A silence may last up to {most:g} hours, and not {text}.",
            "Choose a shorter duration, or raise AIOPS_SILENCE_MAX_HOURS.",
            details={"fields": {"duration": "out of range"}},
        )
    return timedelta(seconds=seconds)


class ExpireSilence(WriteInput):
    silences: Annotated[tuple[str, ...], Field(description="Ids", min_length=1, max_length=200)]
    clusters: Clusters = ()


@alerts.operation(
    "expire_silence",
    route="POST /silences/expire",
    needs="metrics:write",
    effect=Effect.WRITE,
    digest=_digest_changes,
)
async def expire_silence(context: Context, request: ExpireSilence) -> SilenceChanges:
    """End silences now, by the ids that list_silences shows."""
    silences, principal = context.alerts.silences, context.principal
    known = await silences.silences(request.clusters, principal)
    wanted = frozenset(request.silences)
    found = [each for each in known.silences if each.id in wanted]
    if not found:
        raise InputError("No silence has these ids.", "list_silences shows those there are.")
    live = [each for each in found if each.state is not SilenceState.EXPIRED]
    if request.dry_run or not live:
        return SilenceChanges(
            applied=False,
            what=f"end {len(live)} silences in "
            f"{len({each.cluster_name for each in live})} clusters",
            coverage=known.coverage,
            as_of=known.asked_at,
        )
    names = tuple(sorted({each.cluster_name for each in live}))
    done = await silences.expire(names, [each.id for each in live], principal)
    return SilenceChanges(
        applied=True,
        what=f"end {len(live)} silences",
        outcomes=done.outcomes,
        coverage=done.coverage,
        as_of=done.asked_at,
    )
