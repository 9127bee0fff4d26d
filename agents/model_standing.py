"""How a server stands after what became of the last calls: fit, cooling down, or not to be asked.

Pure but for the clock, which is passed in. A server that refused quickly is asked last; one that
was waited for in vain, or that said when to come back, is not asked until then.
"""

from collections.abc import Callable
from typing import Final

from agents.model_faults import ModelFault

_FIRST_COOLING: Final = 2.0
_LONGEST_COOLING: Final = 60.0
_FIRST_BAR: Final = 15.0
_LONGEST_BAR: Final = 120.0


class Standing:
    """Of one server; times are seconds of ``clock``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._cool_at = float("-inf")
        self._open_at = float("-inf")
        self.last_fault: ModelFault | None = None

    def succeeded(self) -> None:
        self._failures = 0
        self._cool_at = self._open_at = float("-inf")
        self.last_fault = None

    def failed(self, fault: ModelFault) -> None:
        """One more call in vain. It may tell when to come back, or that time was lost."""
        self.last_fault = fault.anew()  # without the frames in which it was raised
        now = self._clock()
        if now >= self._cool_at:  # many calls that fail together are one failure
            self._failures = min(self._failures + 1, 10)
        doubled = 2.0 ** (self._failures - 1)
        self._cool_at = now + min(_FIRST_COOLING * doubled, _LONGEST_COOLING)
        if fault.slow:
            self._open_at = max(self._open_at, now + min(_FIRST_BAR * doubled, _LONGEST_BAR))
        if fault.wait is not None:
            self._open_at = max(self._open_at, now + fault.wait)

    @property
    def seconds_barred(self) -> float:
        """How long it is not to be asked; 0 when it may be."""
        return max(0.0, self._open_at - self._clock())

    @property
    def is_fit(self) -> bool:
        """Whether it comes in its place of the order; else it is asked after the others."""
        return self._clock() >= max(self._cool_at, self._open_at)
