"""What a fleet answers: one answer a cluster, who is missing and why, and when that is an error.

Pure values. Knows neither how clusters are asked nor what they were asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from aiops_mcp.errors import AiopsError, ClusterUnreachable, QueryTimeout
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage, StaleAnswer

T = TypeVar("T")

OFFLINE = "offline"
"""Why a cluster was skipped that the watcher found to be away."""


@dataclass(frozen=True, slots=True)
class ClusterAnswer(Generic[T]):
    """One cluster's answer.

    ``value`` is set where ``status`` is SUCCESS (or PARTIAL), ``error`` where it is ERROR or
    TIMEOUT. ``skipped`` says why a cluster was not asked at all; it is then no failure.
    ``stale_as_of`` is set where the value was seen earlier.
    """

    cluster: Cluster
    status: AnswerStatus
    value: T | None = None
    error: AiopsError | None = None
    elapsed_ms: float = 0.0
    stale_as_of: datetime | None = None
    skipped: str | None = None

    @property
    def answered(self) -> bool:
        return self.error is None and self.skipped is None


@dataclass(frozen=True, slots=True)
class FleetAnswer(Generic[T]):
    """Every chosen cluster once, in the registry's order; ``asked_at`` is the wall clock."""

    answers: tuple[ClusterAnswer[T], ...]
    asked_at: datetime
    elapsed_ms: float

    def succeeded(self) -> tuple[ClusterAnswer[T], ...]:
        """Those with a value, stale ones included."""
        return tuple(answer for answer in self.answers if answer.answered)

    def failed(self) -> tuple[ClusterAnswer[T], ...]:
        return tuple(answer for answer in self.answers if answer.error is not None)

    def skipped(self) -> tuple[ClusterAnswer[T], ...]:
        return tuple(answer for answer in self.answers if answer.skipped is not None)

    def coverage(self) -> Coverage:
        succeeded, failed, skipped = self.succeeded(), self.failed(), self.skipped()
        return Coverage(
            queried=len(succeeded) + len(failed),
            succeeded=len(succeeded),
            failures=tuple(_failure(answer) for answer in failed),
            stale=tuple(
                StaleAnswer(
                    cluster_name=answer.cluster.name,
                    as_of=answer.stale_as_of,
                    age_seconds=max(0.0, (self.asked_at - answer.stale_as_of).total_seconds()),
                )
                for answer in succeeded
                if answer.stale_as_of is not None
            ),
            offline=tuple(answer.cluster.name for answer in skipped if answer.skipped == OFFLINE),
            skipped=tuple(
                f"{answer.cluster.name} ({answer.skipped})"
                for answer in skipped
                if answer.skipped != OFFLINE
            ),
            simulated=any(answer.cluster.is_simulated for answer in self.answers),
        )

    def raise_if_nobody_answered(self) -> None:
        """Raise when clusters were chosen and none of them gave an answer.

        Raises:
            AiopsError: the one failure, or what most explains all of them.
        """
        if self.answers and not self.succeeded():
            raise explain(self.answers)


def explain(answers: Sequence[ClusterAnswer[T]]) -> AiopsError:
    """One error for a question that no cluster answered."""
    errors = [(answer.cluster.name, answer.error) for answer in answers if answer.error is not None]
    if not errors:
        return _nobody_asked(answers)
    if len(errors) == 1:
        return errors[0][1]
    # A refusal tells the caller more than an absence: it is about the question itself.
    spoken = [error for _, error in errors if not isinstance(error, ClusterUnreachable)]
    told = [error for error in spoken if not isinstance(error, QueryTimeout)]
    if told:
        return told[0]
    details = {"failures": [{"cluster": name, "error": error.message} for name, error in errors]}
    reasons = "; ".join(f"{name}: {error.message}" for name, error in errors[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    kind = QueryTimeout if len(spoken) == len(errors) else ClusterUnreachable
    return kind(
        f"None of {len(errors)} clusters answered. {reasons}{more}",
        "get_cluster_status tells how a cluster is.",
        details=details,
    )


def _nobody_asked(answers: Sequence[ClusterAnswer[T]]) -> AiopsError:
    reasons = ", ".join(f"{answer.cluster.name} ({answer.skipped})" for answer in answers[:10])
    more = f" and {len(answers) - 10} more" if len(answers) > 10 else ""
    hint = (
        "A cluster that is offline is asked when it is named; list_clusters shows their state."
        if any(answer.skipped == OFFLINE for answer in answers)
        else "Set the URL with update_cluster, or let refresh_cluster look for it."
    )
    return ClusterUnreachable(f"No cluster could be asked: {reasons}{more}.", hint)


def _failure(answer: ClusterAnswer[T]) -> ClusterFailure:
    if answer.error is None:
        raise ValueError(f"{answer.cluster.name} did not fail")
    return ClusterFailure(
        cluster_name=answer.cluster.name,
        status=answer.status,
        code=answer.error.code,
        error=str(answer.error),
    )
