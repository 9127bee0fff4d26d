"""Silences of the whole fleet: listed, tried, made and ended.

Which alerts a silence would mute is asked of each Alertmanager itself, which alone reads its
regular expressions rightly. A silence is made once: a call that failed halfway is not repeated,
and said to have failed.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.backends.alertmanager_alerts import to_alerts
from aiops_mcp.backends.alertmanager_answers import NewSilence, Silence
from aiops_mcp.errors import AiopsError, BackendRefused
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.silences import (
    ENDS_SOON,
    FleetSilence,
    Matcher,
    SilenceOutcome,
    SilenceState,
)
from aiops_mcp.settings import Settings

BACKEND = "alertmanager"

ASIDE_SECONDS = 3.0
"""So long an answer about something else waits to say which silences end."""


@dataclass(frozen=True, slots=True)
class SilenceAnswer:
    """The fleet's silences, the first to end first."""

    silences: tuple[FleetSilence, ...]
    coverage: Coverage
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class SilencePreview:
    """The alerts that fire now and that matchers fit."""

    alerts: tuple[Alert, ...]
    coverage: Coverage
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class SilenceChange:
    """What making or ending silences did, a cluster at a time."""

    outcomes: tuple[SilenceOutcome, ...]
    coverage: Coverage
    asked_at: datetime


class FleetSilences:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def silences(
        self,
        selection: Sequence[str],
        principal: Principal,
        *,
        deadline: float | None = None,
    ) -> SilenceAnswer:
        """All silences the Alertmanagers still know, ended ones too.

        Raises when no cluster answered.
        """

        async def ask(access: Access) -> tuple[FleetSilence, ...]:
            found = await (await access.alertmanager()).silences()
            return tuple(_of_fleet(access.cluster, silence) for silence in found)

        answer = await self._fleet.ask(
            selection,
            ask,
            principal=principal,
            backend=BACKEND,
            deadline=deadline,
            cache=CacheRule(("silences",), self._settings.ttl_alerts),
        )
        answer.raise_if_nobody_answered()
        found = [silence for one in answer.succeeded() for silence in one.value or ()]
        return SilenceAnswer(
            tuple(sorted(found, key=lambda each: (each.ends_at, each.cluster_name, each.id))),
            answer.coverage(),
            answer.asked_at,
        )

    async def ending(
        self, alerts: Iterable[Alert], principal: Principal
    ) -> tuple[FleetSilence, ...]:
        """Silences that mute some of these and end soon, the first to end first.

        Nobody is waited for long: without an answer none are told.
        """
        muting = {(each.cluster_name, name) for each in alerts for name in each.silenced_by}
        if not muting:
            return ()
        names = sorted({cluster for cluster, _ in muting})
        try:
            told = await self.silences(names, principal, deadline=ASIDE_SECONDS)
        except AiopsError:
            return ()
        now = self._clock()
        return tuple(
            each
            for each in told.silences
            if (each.cluster_name, each.id) in muting and now < each.ends_at <= now + ENDS_SOON
        )

    async def preview(
        self, selection: Sequence[str], matchers: Sequence[Matcher], principal: Principal
    ) -> SilencePreview:
        """Which alerts a silence of these matchers would mute now.

        Raises when no cluster answered, such as for a regular expression nobody can read.
        """
        texts = [matcher.text for matcher in matchers]

        async def ask(access: Access) -> tuple[Alert, ...]:
            raw = await (await access.alertmanager()).alerts(filter=texts)
            return to_alerts(
                access.cluster,
                raw,
                now=self._clock(),
                severities=self._settings.alert_severities,
            )

        answer = await self._fleet.ask(selection, ask, principal=principal, backend=BACKEND)
        answer.raise_if_nobody_answered()
        found = tuple(alert for one in answer.succeeded() for alert in one.value or ())
        return SilencePreview(found, answer.coverage(), answer.asked_at)

    async def create(
        self, selection: Sequence[str], silence: NewSilence, principal: Principal
    ) -> SilenceChange:
        """Make the same silence in every chosen cluster.

        Raises when it could be made in none of them.
        """

        async def ask(access: Access) -> tuple[SilenceOutcome, ...]:
            made = await (await access.alertmanager()).create_silence(silence)
            return (
                SilenceOutcome(cluster_name=access.cluster.name, silence_id=made, done="CREATED"),
            )

        return await self._change(selection, ask, principal)

    async def expire(
        self, selection: Sequence[str], ids: Sequence[str], principal: Principal
    ) -> SilenceChange:
        """End these silences wherever they are; one that has ended already is left alone.

        Raises when no cluster answered.
        """
        wanted = frozenset(ids)

        async def ask(access: Access) -> tuple[SilenceOutcome, ...]:
            client = await access.alertmanager()
            name = access.cluster.name
            outcomes: list[SilenceOutcome] = []
            for silence in await client.silences():
                if silence.id not in wanted or silence.state == "expired":
                    continue
                try:
                    await client.expire_silence(silence.id)
                except BackendRefused as error:
                    outcomes.append(
                        SilenceOutcome(
                            cluster_name=name,
                            silence_id=silence.id,
                            done="FAILED",
                            error=error.message,
                        )
                    )
                else:
                    outcomes.append(
                        SilenceOutcome(cluster_name=name, silence_id=silence.id, done="EXPIRED")
                    )
            return tuple(outcomes)

        return await self._change(selection, ask, principal)

    async def _change(
        self,
        selection: Sequence[str],
        ask: Callable[[Access], Awaitable[tuple[SilenceOutcome, ...]]],
        principal: Principal,
    ) -> SilenceChange:
        answer = await self._fleet.ask(selection, ask, principal=principal, backend=BACKEND)
        answer.raise_if_nobody_answered()
        outcomes = [outcome for one in answer.succeeded() for outcome in one.value or ()]
        for one in answer.succeeded():
            # Who looks now wants to see it muted, or told of again.
            self._fleet.cache.forget(one.cluster.id.int)
        for one in answer.failed():
            error = one.error.message if one.error else ""
            outcomes.append(
                SilenceOutcome(cluster_name=one.cluster.name, done="FAILED", error=error)
            )
        for one in answer.skipped():
            reason = f"not asked: {one.skipped}"
            outcomes.append(
                SilenceOutcome(cluster_name=one.cluster.name, done="FAILED", error=reason)
            )
        return SilenceChange(tuple(outcomes), answer.coverage(), answer.asked_at)


def _of_fleet(cluster: Cluster, silence: Silence) -> FleetSilence:
    return FleetSilence(
        id=silence.id,
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        state=SilenceState(silence.state.upper()),
        matchers=silence.matchers,
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        created_by=silence.created_by,
        comment=silence.comment,
    )
