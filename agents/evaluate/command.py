"""What `aiops eval` does: reads what is to be asked, runs it for each answerer, gathers results.

It must not know how a terminal looks.
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson

from agents.evaluate import tables
from agents.evaluate.processes import run_all
from agents.evaluate.reading import ScenarioFiles, read_incident_folder, read_scenarios
from agents.evaluate.recording import Recording, read_recordings, write_recordings
from agents.evaluate.running import Plan, Row, builtin_folder, grouped
from agents.evaluate.scenario import Scenario
from agents.evaluate.summary import SPREAD_OF, Summary, spreads, summarise, unmet
from agents.evaluate.tables import Result
from agents.evaluate.truths import drawn_for
from agents.model_address import address_of
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.persona_files import builtin_personas
from aiops_mcp.models.digest import Digest
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.incident import Incident, read_incidents

WITHOUT_MODEL: Final = "no model"
REPLAY: Final = "replay"
MARKS: Final = ("<!-- table: begin -->", "<!-- table: end -->")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command."""

    scenarios: Path | None = None
    incidents: Path | None = None
    models: tuple[str, ...] = ()
    no_model: bool = False
    replay: bool = False
    recordings: Path | None = None
    record: Path | None = None
    only: tuple[str, ...] = ()
    repeat: int = 1
    jobs: int = 1
    required: Mapping[str, float] = field(default_factory=dict[str, float])
    beside: tuple[Path, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What a run gave; ``interrupted``: not all of what was wanted."""

    results: list[Result] = field(default_factory=list[Result])
    warnings: list[str] = field(default_factory=list[str])
    answers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """The scenarios of a run with the incidents they name."""

    scenarios: tuple[Scenario, ...]
    incidents: Mapping[str, Incident]
    warnings: tuple[str, ...]


def required_shares(text: str | None) -> dict[str, float]:
    """``cause_first=0.75,healthy_clean=1`` as a mapping.

    Raises:
        InputError: a name that is no figure, or no number.
    """
    required: dict[str, float] = {}
    for part in (text or "").replace(" ", "").split(","):
        if not part:
            continue
        name, _, number = part.partition("=")
        name = name.replace("-", "_").removeprefix("min_")
        if name not in SPREAD_OF:
            raise InputError(f"{name!r} is no figure.", f"There are: {', '.join(SPREAD_OF)}.")
        try:
            required[name] = float(number)
        except ValueError as error:
            raise InputError(f"{part!r} has no number.", "Write cause_first=0.75.") from error
    return required


def asking(wanted: Wanted) -> Asking:
    """Read scenarios and incidents.

    With a folder of incidents and none of scenarios, only those incidents are asked of: of each
    that no scenario of ours is about, as its truth says.

    Raises:
        InputError: a folder cannot be read, or nothing is left of it.
    """
    warnings: list[str] = []
    ours = read_incident_folder(builtin_folder("incidents"), warnings)
    known = {**read_incidents(None), **ours}
    own = read_incident_folder(wanted.incidents, warnings) if wanted.incidents else {}
    if wanted.scenarios is not None:
        found = read_scenarios(wanted.scenarios, {**known, **own})
    elif own:
        found = ScenarioFiles()
    else:
        found = read_scenarios(builtin_folder("scenarios"), known)
    incidents = {**known, **own, **found.incidents}
    brought = [*own, *(name for name in found.incidents if name not in own)]
    scenarios = [*found.scenarios, *drawn_for(incidents, found.scenarios, brought)]
    chosen = _chosen(scenarios, wanted.only)
    if not chosen:
        named = ", ".join(wanted.only) or str(wanted.scenarios)
        raise InputError(f"No scenario is called {named}.", "List them with `aiops eval --list`.")
    return Asking(tuple(chosen), incidents, (*warnings, *found.warnings))


def _chosen(scenarios: Sequence[Scenario], only: Sequence[str]) -> list[Scenario]:
    if not only:
        return list(scenarios)
    return [one for one in scenarios if any(fnmatch.fnmatch(one.name, each) for each in only)]


def listing(wanted: Wanted) -> Digest:
    """The scenarios as a table."""
    found = asking(wanted)
    rows = tuple(
        (
            one.name,
            ", ".join(one.incidents) or "none",
            one.persona,
            one.causes[0].label if one.causes else "nothing" if one.is_healthy else "not judged",
            one.question,
        )
        for one in found.scenarios
    )
    return Digest(
        headline=f"{len(rows)} scenarios.",
        columns=("scenario", "incidents", "persona", "cause", "question"),
        rows=rows,
        notes=found.warnings,
    )


def evaluate(wanted: Wanted, settings: Settings, *, say: Say) -> Outcome:
    """Run everything; ``say`` is told of progress and warnings.

    Raises:
        InputError: what is wanted cannot be read, or contradicts itself.
    """
    found = asking(wanted)
    outcome = Outcome(warnings=list(found.warnings))
    for warning in found.warnings:
        say(f"warning: {warning}")
    for who, plan, scenarios in _plans(wanted, settings, found):
        outcome.results.append(_run(who, plan, scenarios, wanted, outcome, say))
        if outcome.interrupted:
            break
    outcome.results += [_earlier(path, wanted.required) for path in wanted.beside]
    return outcome


def _plans(
    wanted: Wanted, settings: Settings, found: Asking
) -> list[tuple[str, Plan, tuple[Scenario, ...]]]:
    """Who answers, how, and what it is asked."""
    personas = {one.id: one for one in builtin_personas()}
    common = Plan(settings, found.incidents, personas, wanted.repeat, wanted.record is not None)
    if wanted.replay:
        kept = read_recordings(wanted.recordings or builtin_folder("recordings"))
        played = tuple(one for one in found.scenarios if one.name in kept)
        if not played:
            raise InputError("None of the scenarios was recorded.", "Record with --record DIR.")
        return [(REPLAY, replace(common, recordings=kept, record=False), played)]
    alone = settings.model_copy(update={"model_urls": ()})
    plans: list[tuple[str, Plan, tuple[Scenario, ...]]] = []
    for url in wanted.models:
        one = settings.model_copy(update={"model_urls": (url,)})
        plans.append((_label(url), replace(common, settings=one), found.scenarios))
    if not wanted.models and not wanted.no_model:
        if not settings.model_urls:
            raise InputError(
                "No model is configured.",
                "Name one with --model URL or AIOPS_MODEL_URLS, or use --no-model or --replay.",
            )
        who = ", ".join(_label(url) for url in settings.model_urls)
        plans.append((who, common, found.scenarios))
    if wanted.no_model:
        plans.append((WITHOUT_MODEL, replace(common, settings=alone), found.scenarios))
    return plans


def _label(url: str) -> str:
    """A model by name, else by its server, without secrets."""
    address = address_of(url)
    return address.model or address.shown


def _run(
    who: str,
    plan: Plan,
    scenarios: Sequence[Scenario],
    wanted: Wanted,
    outcome: Outcome,
    say: Say,
) -> Result:
    rows: list[Row] = []
    total = len(scenarios) * plan.repeat

    def tell(row: Row) -> None:
        rows.append(row)
        one = row.asked.score
        against = "; ".join(tables.against(one)) or "well"
        say(f"[{len(rows)}/{total}] {one.scenario}: {against} ({one.spent.seconds:.1f} s)")

    try:
        run_all(plan, grouped(scenarios), jobs=wanted.jobs, tell=tell)
    except KeyboardInterrupt:
        outcome.interrupted = True
        say("interrupted; this is what was done until then")
    if wanted.record is not None:
        kept: list[Recording] = [row.recording for row in rows if row.recording is not None]
        write_recordings(wanted.record, kept)
        say(f"{len(kept)} recordings in {wanted.record}")
    places = {one.name: place for place, one in enumerate(scenarios)}
    rows.sort(key=lambda row: (row.number, places[row.asked.score.scenario]))
    outcome.answers += [
        (row.asked.score.scenario, row.asked.answer.text) for row in rows if row.asked.answer
    ]
    return _result(who, rows, plan.repeat, wanted.required)


def _result(who: str, rows: Sequence[Row], repeat: int, required: Mapping[str, float]) -> Result:
    passes = [
        tuple(row.asked.score for row in rows if row.number == number) for number in range(repeat)
    ]
    done = [one for one in passes if one]
    summary = summarise([row.asked.score for row in rows], repeats=max(len(done), 1))
    short = unmet(summary, required)
    return Result(who, summary, tuple(done), spreads(done), short, is_required=bool(required))


def _earlier(path: Path, required: Mapping[str, float]) -> Result:
    """The first answerer of an earlier run's JSON.

    Raises:
        InputError: the file is none.
    """
    try:
        document: dict[str, Any] = orjson.loads(path.read_bytes())
        summary = Summary(**document["summary"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no result of `aiops eval --json`: {error}", "Run it again with --json."
        ) from error
    who = f"{document.get('answered_by', '')} ({path.stem})"
    return Result(who, summary, unmet=unmet(summary, required), is_required=bool(required))


def digests(outcome: Outcome) -> list[Digest]:
    """What a terminal shows: each answerer's scenarios, then the answerers beside each other."""
    shown = [tables.scenario_table(one) for one in outcome.results if one.passes]
    if len(outcome.results) > 1:
        shown.append(tables.model_table(outcome.results))
    return shown


def as_json(outcome: Outcome, *, answers: bool) -> dict[str, Any]:
    """What a pipe gets."""
    document = tables.document(outcome.results, outcome.warnings)
    if outcome.interrupted:
        document["interrupted"] = True
    if answers:
        document["answers"] = [{"scenario": name, "text": text} for name, text in outcome.answers]
    return document


def write_page(path: Path, results: Sequence[Result]) -> None:
    """Put the tables between the marks of a Markdown page; a page without them is begun.

    Raises:
        InputError: it cannot be written.
    """
    parts = [tables.markdown(tables.model_table(results))]
    parts += [tables.markdown(tables.scenario_table(one)) for one in results if one.passes]
    table = "\n\n".join([MARKS[0], *parts, MARKS[1]])
    try:
        page = path.read_text("utf-8") if path.exists() else ""
        begin, end = page.find(MARKS[0]), page.find(MARKS[1])
        if 0 <= begin < end:
            page = page[:begin] + table + page[end + len(MARKS[1]) :]
        else:
            page = f"{page}{table}\n"
        path.write_text(page, "utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
