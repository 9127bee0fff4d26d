"""Reads a folder of scenario files, leniently: what is odd is a warning, never the end.

It must not know how a scenario is asked or judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import yaml

from agents.evaluate.dialect import as_list
from agents.evaluate.scenario import Scenario
from agents.evaluate.scenario_reader import ScenarioReader, incident_from
from aiops_mcp.errors import InputError
from aiops_mcp.simulation.incident import Incident, parse_incident


@dataclass(slots=True)
class ScenarioFiles:
    """What a folder holds: scenarios, incidents that lie among them, and what was odd."""

    scenarios: list[Scenario] = field(default_factory=list[Scenario])
    incidents: dict[str, Incident] = field(default_factory=dict[str, Incident])
    warnings: list[str] = field(default_factory=list[str])


def read_scenarios(directory: Path, known: Mapping[str, Incident]) -> ScenarioFiles:
    """Every scenario of a folder (``*.yaml``, ``*.yml``, ``*.json``), by the names of the files.

    Files that hold ``effects`` are incidents, as are those in its subfolder ``incidents``. A file
    that cannot be read at all is a scenario with a fault, and a warning.

    Raises:
        InputError: the folder is not there or holds no such file.
    """
    paths = sorted(
        path for path in directory.rglob("*") if path.suffix in (".yaml", ".yml", ".json")
    )
    if not paths:
        raise InputError(
            f"{directory} holds no scenario files.", "Put one scenario into each *.yaml file."
        )
    found = ScenarioFiles()
    documents: list[tuple[Path, dict[str, Any]]] = []
    for path in paths:
        _load(path, found, documents)
    incidents = {**known, **found.incidents}
    for path, content in documents:
        reader = ScenarioReader(path.name, {**incidents, **found.incidents}, found.warnings)
        found.scenarios.append(reader.scenario(content))
        found.incidents.update(reader.inline)
    _name_apart(found)
    return found


def read_incident_folder(directory: Path, warnings: list[str]) -> dict[str, Incident]:
    """The incidents of a folder by name; a file that is none is a warning.

    Raises:
        InputError: the folder holds no such file, or none that can be read.
    """
    found: dict[str, Incident] = {}
    paths = sorted(path for path in directory.glob("*") if path.suffix in (".yaml", ".yml"))
    for path in paths:
        try:
            incident = parse_incident(path.read_text("utf-8"), path.name)
        except (InputError, OSError, UnicodeError) as error:
            warnings.append(f"{path.name} is left out: {error}")
            continue
        found[incident.name] = incident
    if not found:
        raise InputError(
            f"{directory} holds no incidents that can be read.",
            "; ".join(warnings) or "Put one incident into each *.yaml file.",
        )
    return found


def _load(path: Path, found: ScenarioFiles, documents: list[tuple[Path, dict[str, Any]]]) -> None:
    """Sort what one file holds into incidents and scenarios still to be read."""
    try:
        text = path.read_text("utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        whole: list[Any] = list(yaml.load_all(text, Loader=loader))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        found.warnings.append(f"{path.name} cannot be read: {error}")
        fault = f"its file cannot be read: {type(error).__name__}"
        found.scenarios.append(Scenario(path.stem, question="", fault=fault))
        return
    for document in whole:
        for content in _several(document):
            if not isinstance(content, Mapping):
                found.warnings.append(f"{path.name}: {str(content)[:60]!r} is no scenario")
            elif "effects" in content or ("truth" in content and "where" in content):
                written = cast("Mapping[str, Any]", content)
                incident = incident_from(written, path.name, found.warnings)
                if incident is not None:
                    found.incidents[incident.name] = incident
            else:
                documents.append((path, dict(cast("Mapping[str, Any]", content))))


def _several(document: Any) -> list[Any]:
    """A file may hold one scenario, a list of them, or a list under ``scenarios``."""
    if isinstance(document, Mapping):
        mapping = cast("Mapping[str, Any]", document)
        for key in ("scenarios", "cases", "tests", "incidents"):
            inner: Any = mapping.get(key)
            if isinstance(inner, list) and inner and isinstance(inner[0], Mapping):
                if key == "incidents" and ("question" in mapping or "prompt" in mapping):
                    continue
                return cast("list[Any]", inner)
        return [mapping]
    return as_list(document)


def _name_apart(found: ScenarioFiles) -> None:
    """Two scenarios of one name get numbers: rows are told by their name."""
    seen: dict[str, int] = {}
    for place, one in enumerate(found.scenarios):
        seen[one.name] = seen.get(one.name, 0) + 1
        if seen[one.name] > 1:
            found.scenarios[place] = replace(one, name=f"{one.name}-{seen[one.name]}")
