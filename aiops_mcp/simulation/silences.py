"""Silences of a simulated Alertmanager: matchers, their states, and which alerts they mute."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

Json = dict[str, Any]

_TEXT = re.compile(r'^\s*(?P<name>[^=!~\s]+)\s*(?P<op>=~|!~|!=|=)\s*"?(?P<value>.*?)"?\s*$')


class BadSilence(ValueError):
    """A matcher or silence that Alertmanager refuses."""


@dataclass(frozen=True, slots=True)
class Matcher:
    name: str
    value: str
    is_regex: bool
    is_equal: bool = True

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it; an absent label is empty."""
        own = labels.get(self.name, "")
        if self.is_regex:
            return (re.fullmatch(self.value, own) is not None) == self.is_equal
        return (own == self.value) == self.is_equal

    def wire(self) -> Json:
        return {
            "name": self.name,
            "value": self.value,
            "isRegex": self.is_regex,
            "isEqual": self.is_equal,
        }


def matcher_from_text(text: str) -> Matcher:
    """A matcher from ``severity=~"a.*"``.

    Raises:
        BadSilence: it cannot be read.
    """
    match = _TEXT.match(text)
    if match is None:
        raise BadSilence(text)
    op = match["op"]
    return _checked(Matcher(match["name"], match["value"], "~" in op, not op.startswith("!")))


def _checked(matcher: Matcher) -> Matcher:
    if matcher.is_regex:
        try:
            re.compile(matcher.value)
        except re.error as error:
            raise BadSilence(f"bad regular expression {matcher.value!r}: {error}") from error
    return matcher


@dataclass(frozen=True, slots=True)
class Silence:
    id: str
    matchers: tuple[Matcher, ...]
    starts: float
    ends: float
    created_by: str
    comment: str
    updated: float

    def state(self, moment: float) -> str:
        if moment >= self.ends:
            return "expired"
        return "pending" if moment < self.starts else "active"


class Silences:
    """All silences; ``now`` in unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._silences: dict[str, Silence] = {}

    def put(self, body: Any) -> str:
        """Create one, or replace the one whose ``id`` is given; returns the id.

        Raises:
            BadSilence: something is missing or makes no sense.
            KeyError: there is none with that id.
        """
        if not isinstance(body, dict):
            raise BadSilence("a silence is an object")
        given: Json = body  # pyright: ignore[reportUnknownVariableType] - JSON from outside
        try:
            matchers = tuple(
                _checked(
                    Matcher(
                        str(one["name"]),
                        str(one["value"]),
                        bool(one["isRegex"]),
                        bool(one.get("isEqual", True)),
                    )
                )
                for one in given["matchers"]
            )
            starts, ends = (_moment(str(given[name])) for name in ("startsAt", "endsAt"))
            made_by, comment = str(given["createdBy"]), str(given["comment"])
        except (KeyError, TypeError, AttributeError) as error:
            raise BadSilence(f"silence invalid: missing or malformed {error}") from error
        if not matchers or all(one.matches({}) for one in matchers):
            raise BadSilence(
                "silence invalid: at least one matcher must not match the empty string"
            )
        if ends <= max(starts, self._now()):
            raise BadSilence("silence invalid: end time must be in the future and after the start")
        if given.get("id") and given["id"] not in self._silences:
            raise KeyError(given["id"])
        key = str(given.get("id") or uuid4())
        self._silences[key] = Silence(key, matchers, starts, ends, made_by, comment, self._now())
        return key

    def expire(self, key: str) -> bool:
        """End one now; whether there was one."""
        known = self._silences.get(key)
        if known is None:
            return False
        now = self._now()
        self._silences[key] = Silence(
            key,
            known.matchers,
            known.starts,
            min(known.ends, now),
            known.created_by,
            known.comment,
            now,
        )
        return True

    def get(self, key: str) -> Json | None:
        """One silence, as the API shows it."""
        known = self._silences.get(key)
        return None if known is None else self._wire(known)

    def all(self, matchers: Sequence[Matcher] = ()) -> list[Json]:
        """Every silence whose matchers fit the filter."""
        return [
            self._wire(one)
            for one in self._silences.values()
            if all(wanted.matches({m.name: m.value for m in one.matchers}) for wanted in matchers)
        ]

    def silencing(self, labels: Mapping[str, str]) -> list[str]:
        """The ids of the active silences that mute an alert."""
        now = self._now()
        return [
            one.id
            for one in self._silences.values()
            if one.state(now) == "active" and all(m.matches(labels) for m in one.matchers)
        ]

    def _wire(self, silence: Silence) -> Json:
        return {
            "id": silence.id,
            "status": {"state": silence.state(self._now())},
            "matchers": [one.wire() for one in silence.matchers],
            "startsAt": _iso(silence.starts),
            "endsAt": _iso(silence.ends),
            "updatedAt": _iso(silence.updated),
            "createdBy": silence.created_by,
            "comment": silence.comment,
        }


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadSilence(f"silence invalid: {text!r} is not a time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
