"""Incidents as written down: what breaks where and when, how it spreads, and what the truth is.

One YAML file each; these models are its schema. Everything an incident does is a list of
effects; nothing in code knows an incident by name. It must not know how effects are applied.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from aiops_mcp.errors import InputError
from aiops_mcp.models.entity import duration_seconds
from aiops_mcp.simulation.incident_effects import AnyEffect, Place
from aiops_mcp.simulation.topology import Seconds, Spec


class ExpectedAlert(Spec):
    """An alert that the incident makes fire in a cluster, with these labels among others."""

    alertname: str
    cluster: str
    labels: dict[str, str] = Field(default_factory=dict)
    within: Seconds = 1800.0
    """How long after the onset it fires at the latest."""


class Truth(Spec):
    """What a good investigator finds."""

    root_cause: str
    component: Literal["workload", "node", "gpu", "certificate", "clock", "network", "none"]
    cluster: str | None = None
    namespace: str | None = None
    name: str | None = None
    affected: tuple[str, ...] = ()
    alerts: tuple[ExpectedAlert, ...] = ()
    tolerated: tuple[str, ...] = ()
    """Names of further alerts that may fire in the struck clusters."""
    red_herring: bool = False
    remedy: str = ""


class Incident(Spec):
    """One incident file. ``age`` is how long ago it began when it is started without a time."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    where: Place
    duration: Seconds = 6 * 3600.0
    age: Seconds = 1800.0
    effects: tuple[AnyEffect, ...] = ()
    truth: Truth


@dataclass(frozen=True, slots=True)
class StartedIncident:
    """An incident with its onset (unix seconds)."""

    incident: Incident
    onset: float

    @property
    def end(self) -> float:
        return self.onset + self.incident.duration


def read_incidents(directory: Path | None = None) -> dict[str, Incident]:
    """The incidents that come with the package, and those of a directory, by name.

    Raises:
        InputError: a file is not YAML, breaks the schema, or the directory holds none.
    """
    found: dict[str, Incident] = {}
    for entry in sorted(files("aiops_mcp.simulation").joinpath("incidents").iterdir(), key=str):
        if entry.name.endswith(".yaml"):
            incident = parse_incident(entry.read_text("utf-8"), entry.name)
            found[incident.name] = incident
    if directory is None:
        return found
    paths = sorted(directory.glob("*.yaml")) + sorted(directory.glob("*.yml"))
    if not paths:
        raise InputError(
            f"{directory} holds no incident files.", "Put one incident into each *.yaml file."
        )
    for path in paths:
        incident = parse_incident(path.read_text("utf-8"), str(path))
        found[incident.name] = incident
    return found


def parse_incident(text: str, source: str) -> Incident:
    """One incident from YAML text.

    Raises:
        InputError: it is not YAML or breaks the schema; the message names the fields.
    """
    try:
        content: Any = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
        return Incident.model_validate(content)
    except yaml.YAMLError as error:
        raise InputError(
            f"{source} is not YAML: {error}", "Mend the file and start again."
        ) from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]
        )
        raise InputError(
            f"{source} is not an incident: {wrong}",
            "The fields are documented in aiops_mcp/simulation/incident.py.",
        ) from error


_STARTED = re.compile(r"^(?P<name>[^@]+)(?:@(?P<when>.+))?$")


def start_incidents(
    wanted: Iterable[str], known: Mapping[str, Incident], now: float
) -> list[StartedIncident]:
    """Incidents given as ``NAME``, ``NAME@2026-11-25T03:00:00Z``, ``NAME@+5m`` or ``NAME@-2h``.

    Raises:
        InputError: an unknown name (near ones are named), or a time that cannot be read.
    """
    started: list[StartedIncident] = []
    for text in wanted:
        match = _STARTED.match(text.strip())
        name = match["name"] if match else text
        incident = known.get(name)
        if incident is None or match is None:
            near = get_close_matches(name, known, n=3) or sorted(known)
            raise InputError(f"No incident is called {name!r}.", f"There are: {', '.join(near)}.")
        when = match["when"]
        onset = now - incident.age if when is None else _moment(when, now)
        started.append(StartedIncident(incident, onset))
    return started


def _moment(text: str, now: float) -> float:
    try:
        if text[0] in "+-":
            seconds = duration_seconds(text[1:])
            return now + seconds if text[0] == "+" else now - seconds
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a time for an incident.",
            "Write NAME@2026-11-25T03:00:00Z, NAME@+5m or NAME@-2h.",
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
