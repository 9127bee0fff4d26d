"""Silences of the clusters' Alertmanagers: what mutes which alerts, until when, and why."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Literal, Self
from uuid import UUID

from aiops_mcp.models.entity import Entity, Timestamp

FOR_EVER = timedelta(days=30)
"""A silence longer than this is meant to stay."""

ENDS_SOON = timedelta(hours=24)
"""What a silence mutes is heard of again before somebody looks the next day."""

_TEXT = re.compile(
    r"^\s*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>.*)$", re.DOTALL
)
_BARE = re.compile(r"^[^\s\"{}]*$")


class Matcher(Entity):
    """``name = value``, or ``!=``, ``=~``, ``!~`` by ``is_equal`` and ``is_regex``."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``severity=~"warn.*"``; the quotes may be left out around a single word.

        Raises:
            ValueError: it is no matcher; the message says what is wrong with it.
        """
        found = _TEXT.match(text)
        if found is None:
            raise ValueError(f'{text!r} is no matcher; write alertname=NAME or severity=~"a|b"')
        value = found["value"].strip()
        if value[:1] == '"':
            if len(value) < 2 or value[-1] != '"' or _ends_escaped(value[:-1]):
                raise ValueError(f"{text!r}: the quotes do not close")
            value = re.sub(
                r"\\(.)", lambda escaped: _UNESCAPED.get(escaped[1], escaped[0]), value[1:-1]
            )
        elif not _BARE.match(value):
            raise ValueError(f'{text!r}: write the value in quotes: {found["name"]}="…"')
        operator = found["op"]
        return cls(
            name=found["name"],
            value=value,
            is_regex="~" in operator,
            is_equal=not operator.startswith("!"),
        )

    @property
    def operator(self) -> str:
        if self.is_regex:
            return "=~" if self.is_equal else "!~"
        return "=" if self.is_equal else "!="

    @property
    def text(self) -> str:
        """As Alertmanager reads it: ``severity=~"warn.*"``."""
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{escaped}"'


_UNESCAPED = {'"': '"', "\\": "\\", "n": "\n"}


def _ends_escaped(text: str) -> bool:
    """Whether a quote after this text would be escaped."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


class SilenceState(StrEnum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"


class FleetSilence(Entity):
    """One silence of one cluster. ``id`` is Alertmanager's."""

    id: str
    cluster_id: UUID
    cluster_name: str
    state: SilenceState
    matchers: tuple[Matcher, ...]
    starts_at: Timestamp
    ends_at: Timestamp
    created_by: str
    comment: str

    @property
    def is_for_ever(self) -> bool:
        return self.ends_at - self.starts_at >= FOR_EVER


class SilenceOutcome(Entity):
    """What became of a silence in one cluster: CREATED, EXPIRED or FAILED with the reason."""

    cluster_name: str
    done: Literal["CREATED", "EXPIRED", "FAILED"]
    silence_id: str | None = None
    error: str | None = None
