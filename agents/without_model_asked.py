"""What a question is about, told from its words: topic, clusters, component, alert, time. Pure.

English, by lists of words; what it does not understand it takes for "what is wrong?". Names are
believed only where the fleet has them, which the caller brings.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from agents.conversation import Turn
from agents.without_model_topics import (
    AGO,
    ALERT,
    CAUSE,
    CLOCK_TIME,
    COMMON_WORDS,
    FOLLOWS,
    NAMED,
    TOPICS,
    WORD,
    Topic,
)

_COUNTS: Final = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "six": 6, "twelve": 12}


_LONGEST: Final = 4_000
"""Characters that are read of a question: what is longer holds what was pasted."""
_LISTINGS: Final = frozenset({Topic.ALERTS, Topic.CLUSTERS, Topic.RUNBOOK})
"""What may be asked to be shown and no more; a doubt in the question asks for the cause too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked. ``words`` are those that may name something; ``at`` is a time in the past."""

    text: str
    topic: Topic = Topic.TROUBLE
    clusters: tuple[str, ...] = ()
    component: str | None = None
    alert: str | None = None
    at: datetime | None = None
    wants_cause: bool = True
    words: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    """Components that the grammar of the question makes its subject."""


def understood(text: str, *, history: Sequence[Turn], scope: Sequence[str], now: datetime) -> Asked:
    """What a question says by itself, and what it takes over from those before it."""
    text = text[:_LONGEST]
    asked = _of_words(text, now)
    has_own = bool(asked.alert or asked.at or _name_like(asked) or asked.topic is not Topic.TROUBLE)
    if history and (not has_own or FOLLOWS.search(text)):
        asked = _with_history(asked, history, now, has_own=has_own)
    return replace(asked, clusters=tuple(scope))


def _name_like(asked: Asked) -> bool:
    return any("-" in word or "/" in word for word in asked.words)


def _of_words(text: str, now: datetime) -> Asked:
    topic = next(
        (topic for topic, words in TOPICS if re.search(words, text, re.IGNORECASE)), Topic.TROUBLE
    )
    words = tuple(
        dict.fromkeys(
            word.strip("./-").removesuffix("'s")
            for word in WORD.findall(text)
            if word.lower().strip("./-") not in COMMON_WORDS
        )
    )
    alert = next((name for name in ALERT.findall(text) if _is_alert(name, text)), None)
    if alert and topic is Topic.ALERTS:
        topic = Topic.TROUBLE
    wants = topic not in _LISTINGS or CAUSE.search(text) is not None
    return Asked(
        text=text,
        topic=topic,
        alert=alert,
        at=_time_of(text, now),
        wants_cause=wants,
        words=words,
        said=tuple(_subjects(text)),
    )


def _is_alert(name: str, text: str) -> bool:
    humps = len(re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]+", name))
    return name[0].isupper() and (
        humps >= 3
        or bool(re.search(rf"alert\w*\s+{name}|{name}\s+(?:alert|fir)", text, re.IGNORECASE))
    )


def _subjects(text: str) -> Iterable[str]:
    seen: dict[str, None] = {}
    for pattern in NAMED:
        for match in pattern.finditer(text):
            word = match[1].strip("./-")
            if word.lower() not in COMMON_WORDS and not word[0].isdigit():
                seen.setdefault(word, None)
    return seen


def _time_of(text: str, now: datetime) -> datetime | None:
    if match := AGO.search(text):
        number = match[1].lower()
        count = _COUNTS.get(number) or (int(number) if number.isdigit() else 1)
        unit = match[2].lower()[0]
        step = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}[unit]
        return now - count * step
    match = CLOCK_TIME.search(text)
    if match is None:
        return None
    hour, minute = int(match[4]), int(match[5])
    try:
        day = (
            now.replace(year=int(match[1]), month=int(match[2]), day=int(match[3]))
            if match[1]
            else now
        )
    except ValueError:
        return None
    at = day.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if at > now and not match[1]:
        at -= timedelta(days=1)
    return at if at <= now else None


def _with_history(asked: Asked, history: Sequence[Turn], now: datetime, *, has_own: bool) -> Asked:
    """What the last question that named something was about, where this one names nothing."""
    for turn in reversed(history):
        if turn.role != "user":
            continue
        before = _of_words(turn.content[:_LONGEST], now)
        if not (before.words or before.alert or before.topic is not Topic.TROUBLE):
            continue
        return replace(
            asked,
            topic=asked.topic if has_own else before.topic,
            words=tuple(dict.fromkeys((*asked.words, *before.words))),
            said=tuple(dict.fromkeys((*asked.said, *before.said))),
            alert=asked.alert or before.alert,
            at=asked.at or before.at,
            wants_cause=asked.wants_cause or before.wants_cause,
        )
    return asked


def clusters_named(asked: Asked, known: Sequence[str]) -> tuple[str, ...]:
    """Which clusters of the fleet the question names: wholly, by a node of them, or by a part."""
    lowered = {name.lower(): name for name in known}
    found: dict[str, None] = {}
    for word in (each.lower() for each in asked.words):
        for low, name in lowered.items():
            if word == low or word.startswith((f"{low}-", f"{low}/")):
                found.setdefault(name, None)
    if found:
        longest = [
            one
            for one in found
            if not any(each != one and each.startswith(f"{one}-") for each in found)
        ]
        return tuple(longest)
    for word in (each.lower() for each in asked.words):
        parts = [name for low, name in lowered.items() if word in low.split("-")]
        if 0 < len(parts) <= 3 and len(word) > 3:
            found.update(dict.fromkeys(parts))
    return tuple(found)


def component_named(asked: Asked, names: Iterable[str], clusters: Sequence[str]) -> str | None:
    """Which of the components the question names; a cluster's own name is none."""
    skipped = {name.lower() for name in clusters}
    words = [word.lower() for word in asked.words if word.lower() not in skipped]
    best: tuple[int, str] | None = None
    for name in names:
        low = name.lower()
        last = low.rpartition("/")[2]
        for word in words:
            if word == low:
                rank = 0
            elif word in (last, f"{last}s") or low == word.rpartition("/")[2]:
                rank = 1
            elif len(word) > 4 and (last.startswith(f"{word}-") or last.endswith(f"-{word}")):
                rank = 2
            else:
                continue
            if best is None or rank < best[0]:
                best = (rank, name)
    return best[1] if best else None
