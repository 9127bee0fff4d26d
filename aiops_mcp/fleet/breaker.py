"""A circuit breaker: after repeated failures a backend is left alone for a while.

Closed until ``failures`` calls in a row failed; open for ``reset`` seconds; then half open, where
``probes`` calls are let through: all of them succeeding closes it, one failing opens it again
(the pattern of M. Nygard, Release It!). Knows neither what is called nor why it failed.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(slots=True)
class Breaker:
    """One backend's breaker. ``now`` is a monotonic clock in seconds.

    Every ``admit()`` that said True is followed by exactly one of ``succeeded``, ``failed`` or
    ``abandoned`` (the call ended without telling anything, such as a cancelled one).
    """

    failures: int
    reset: float
    probes: int
    now: Callable[[], float]
    _row: int = 0
    _opened_at: float | None = None
    _probing: int = 0
    _passed: int = 0

    @property
    def state(self) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.retry_in() > 0 else BreakerState.HALF_OPEN

    def retry_in(self) -> float:
        """Seconds until probes are let through; 0 when calls may go now."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self.reset - self.now())

    def admit(self) -> bool:
        """Whether a call may go now."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.OPEN:
                return False
            case BreakerState.HALF_OPEN:
                if self._probing + self._passed >= self.probes:
                    return False
                self._probing += 1
                return True

    def succeeded(self) -> None:
        self._row = 0
        if self._opened_at is None:
            return
        self._probing = max(0, self._probing - 1)
        self._passed += 1
        if self._passed >= self.probes:
            self._opened_at, self._probing, self._passed = None, 0, 0

    def failed(self) -> None:
        self._row += 1
        if self._opened_at is not None or self._row >= self.failures:
            self._opened_at, self._probing, self._passed = self.now(), 0, 0

    def abandoned(self) -> None:
        self._probing = max(0, self._probing - 1)


@dataclass(slots=True)
class Breakers:
    """The breakers of a fleet, one an owner (a cluster) and backend, made when first asked for."""

    failures: int
    reset: float
    probes: int
    now: Callable[[], float]
    _known: dict[tuple[Hashable, str], Breaker] = field(
        default_factory=dict[tuple[Hashable, str], Breaker]
    )

    def of(self, owner: Hashable, backend: str) -> Breaker:
        key = (owner, backend)
        breaker = self._known.get(key)
        if breaker is None:
            breaker = Breaker(self.failures, self.reset, self.probes, self.now)
            self._known[key] = breaker
        return breaker

    def forget(self, owner: Hashable) -> None:
        """Drop the breakers of this owner."""
        for key in [key for key in self._known if key[0] == owner]:
            del self._known[key]
