"""Who answered a question put to the fleet, and who did not, and why."""

from enum import StrEnum
from uuid import UUID

from aiops_mcp.models.entity import Entity, Timestamp


class AnswerStatus(StrEnum):
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    TIMEOUT = "TIMEOUT"
    PARTIAL = "PARTIAL"


class ClusterFailure(Entity):
    """Why one cluster gave no answer."""

    cluster_name: str
    status: AnswerStatus
    code: str
    error: str


class StaleAnswer(Entity):
    """A cluster that is away, answered from what was last seen."""

    cluster_name: str
    as_of: Timestamp
    age_seconds: float


class Coverage(Entity):
    """``succeeded`` of ``queried`` clusters answered; the rest stands in ``failures``.

    ``offline`` are clusters known to be away, which were not asked: the answer lacks them all the
    same. ``skipped`` have no such backend, which is neither success nor failure. Stale answers
    count as succeeded and are listed.
    """

    queried: int
    succeeded: int
    failures: tuple[ClusterFailure, ...] = ()
    stale: tuple[StaleAnswer, ...] = ()
    offline: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    simulated: bool = False

    @property
    def text(self) -> str:
        """For people and models: ``11 of 12 clusters answered``."""
        return f"{self.succeeded} of {self.queried + len(self.offline)} clusters answered"


class ClusterRef(Entity):
    """Id and name of the cluster that something came from."""

    cluster_id: UUID
    cluster_name: str
