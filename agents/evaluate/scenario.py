"""The nouns of an evaluation: what is asked in which fleet, and what a good answer holds.

Plain data. It must not know files, the simulation or how answers are made.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

import re2

from aiops_mcp.models.chat import TimeScope
from aiops_mcp.models.persona import DEFAULT_PERSONA

_re2: Any = re2  # the library carries no types
_EMPHASIS: Final = str.maketrans(dict.fromkeys("*`"))
_BLANK: Final = re.compile(r"\s+")
_HYPHENS: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013", "-"))
_NUMERIC: Final = re.compile(r"[\d.,:%+-]+")


def plain(text: str) -> str:
    """A text as facts are looked for in it: lower case, one space, no emphasis of Markdown."""
    return _BLANK.sub(" ", text.translate(_EMPHASIS).translate(_HYPHENS)).casefold()


@lru_cache(maxsize=1024)
def fact_pattern(pattern: str) -> Any:
    """A pattern (RE2) as facts are looked for with it: case does not matter.

    Raises:
        ValueError: RE2 refuses it.
    """
    options = _re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        return _re2.compile(pattern, options)
    except _re2.error as error:
        raise ValueError(f"{pattern!r} is no regular expression of RE2") from error


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to be said: any of these texts (case does not matter), or a pattern (RE2)."""

    any_of: tuple[str, ...] = ()
    pattern: str | None = None

    @property
    def label(self) -> str:
        return f"/{self.pattern}/" if self.pattern is not None else " | ".join(self.any_of)

    def is_in(self, text: str) -> bool:
        """Whether ``text`` says it. A bare number is not found within a longer one."""
        if self.pattern is not None:
            return bool(fact_pattern(self.pattern).search(text))
        said = plain(text)
        return any(_holds(said, plain(one)) for one in self.any_of)


def _holds(said: str, wanted: str) -> bool:
    if _NUMERIC.fullmatch(wanted):
        return re.search(rf"(?<![\d.,]){re.escape(wanted)}(?![\d%]|[.,]\d)", said) is not None
    return wanted in said


@dataclass(frozen=True, slots=True)
class WantedCause:
    """The component that is to be named; ``names`` is what an answer may call it.

    ``cluster`` is ``None`` where any will do, as of a network between clusters.
    """

    names: frozenset[str]
    cluster: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that an answer may spend; ``None``: no limit."""

    calls: int | None = None
    tokens: int | None = None
    steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said before the question."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question in one fleet, and what its answer is judged by.

    ``incidents`` are written ``NAME``, ``NAME@-35m`` or ``NAME@TIME``; ``hours_before`` is how
    long before the evaluation's noon the clock stands. Neither ``causes`` nor ``is_healthy``: what
    caused it is not judged.
    """

    name: str
    question: str
    title: str = ""
    incidents: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    hours_before: float = 0.0
    history: tuple[Said, ...] = ()
    persona: str = DEFAULT_PERSONA
    clusters: tuple[str, ...] = ()
    time_scope: TimeScope = field(default_factory=TimeScope)
    must: tuple[Fact, ...] = ()
    must_not: tuple[Fact, ...] = ()
    causes: tuple[WantedCause, ...] = ()
    affected: tuple[str, ...] = ()
    is_healthy: bool = False
    should: tuple[str, ...] = ()
    should_not: tuple[str, ...] = ()
    budget: Budget = Budget()
    must_notice_orders: bool = False
    fault: str = ""
    """Why it cannot be asked at all, such as an incident that there is not."""

    @property
    def fleet(self) -> tuple[tuple[str, ...], tuple[str, ...], float]:
        """What scenarios that can share one simulated fleet have in common."""
        return self.incidents, self.away, self.hours_before
