"""The answer in words, from templates: the conclusion first, then why, what to do, what is open.

Pure; made for whoever is woken at night. Every sentence that tells something of the fleet cites the
result it stands in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.evidence_causes import PROBLEMS, RANKING
from agents.without_model_asked import Asked
from agents.without_model_calls import Calls, Got
from agents.without_model_words import ago, bullets, code, listed, parts, plain, row_line, when
from aiops_mcp.models.chat import NamedCause

MOST_TOLD = 3
MOST_ROWS = 8
MOST_CHANGES = 3
_COUNTED = re.compile(r"\d+x|$")


@dataclass(frozen=True, slots=True)
class Story:
    """What an answer is told from."""

    asked: Asked
    calls: Calls
    causes: tuple[NamedCause, ...]
    now: datetime
    unknown: tuple[str, ...] = ()
    """Names in the question that look like a cluster, and are none."""


def told(story: Story) -> str:
    """The whole answer, without what is said of the model."""
    lines: list[str] = []
    topic = _topic(story)
    if story.unknown:
        lines += [_unknown(story), ""]
    if topic and not story.asked.wants_cause:
        lines += topic
    elif story.causes:
        lines += _caused(story)
        lines += ["**What was asked about**", *topic] if topic else []
    else:
        lines += topic or []
        lines += ["", *_calm(story)] if topic else _calm(story)
    lines += _not_known(story)
    return "\n".join(lines).strip() + "\n"


def _unknown(story: Story) -> str:
    return f"The fleet has no cluster called {listed([code(one) for one in story.unknown])}."


# --- what is wrong, and why -------------------------------------------------------------------


def _caused(story: Story) -> list[str]:
    first = story.causes[0]
    lines = [_conclusion(story, first), ""]
    lines += _others(story)
    lines += _detail(story, first)
    return lines


def _conclusion(story: Story, cause: NamedCause) -> str:
    """What it is, where, since when, as one sentence."""
    row = _row_of(story, cause)
    what = plain(row.get("what")) or plain(row.get("trouble"))
    since = when(row.get("since"), story.now)
    score = f", score {cause.score:g}" if cause.score is not None else ""
    sure = "most likely" if (cause.score or 0) >= 0.5 else "possibly"
    is_ranked = cause.score is not None
    told_what = f" ({code(what)})" if what else ""
    begun = f" It began at {since}, {ago(row.get('since'), story.now)} ago" if since else ""
    cite = f" [{cause.reference}]"
    if is_ranked:
        lead = (
            f"**{_place(cause)} is {sure} the cause of the trouble on {code(cause.cluster_name)}**"
            f"{told_what}{score}{cite}."
        )
    else:
        lead = f"**{_place(cause)} on {code(cause.cluster_name)} is in trouble**{told_what}{cite}."
    return f"{lead}{begun}{cite}." if begun else lead


def _place(cause: NamedCause) -> str:
    return code(cause.component)


def _row_of(story: Story, cause: NamedCause) -> Mapping[str, Any]:
    for got in story.calls.got:
        if got.reference.number == cause.reference:
            for row in got.table.rows:
                if row.get("component") == cause.component:
                    return row
    return {}


def _others(story: Story) -> list[str]:
    """Further problems than that of the first cause, worst first."""
    problems = [(got, row) for got in story.calls.of(PROBLEMS) for row in got.table.rows]
    if len(problems) < 2:
        return []
    lines = [f"{len(problems)} problems stand open, worst first:", ""]
    for number, (got, row) in enumerate(problems[:5], 1):
        lines.append(f"{number}. {_problem_line(story, got, row)}")
    return [*lines, ""]


def _problem_line(story: Story, got: Got, row: Mapping[str, Any]) -> str:
    since = when(row.get("since"), story.now)
    evidence = code(row.get("evidence"), 140)
    begun = f" since {since}" if since else ""
    shown = f": {evidence}" if evidence else ""
    severity = plain(row.get("severity"))
    return (
        f"{severity} {code(row.get('trouble'))} at {code(row.get('component'))} on "
        f"{code(row.get('cluster'))}{begun}{shown} {got.cite}"
    )


def _detail(story: Story, cause: NamedCause) -> list[str]:
    row = _row_of(story, cause)
    cite = f"[{cause.reference}]"
    lines: list[str] = []
    lines += _section(
        "Why", [f"{code(one)} {cite}" for one in parts(row.get("for") or row.get("evidence"))]
    )
    lines += _section("Against it", [f"{code(one)} {cite}" for one in parts(row.get("against"))])
    lines += _section("How far it reaches", _spread(story, cause))
    lines += _section("What changed before", _changes(story, cause))
    lines += _section("What to do", _to_do(story, cause, row))
    further = story.causes[1 : MOST_TOLD + 1]
    here = [one for one in further if one.cluster_name == cause.cluster_name]
    lines += _section("Less likely", _ranked(story, here))
    lines += _section(
        "What caused the other problems",
        _ranked(story, [one for one in further if one not in here]),
    )
    return lines


def _section(heading: str, items: Sequence[str]) -> list[str]:
    return [f"**{heading}**", *bullets(items), ""] if items else []


def _spread(story: Story, cause: NamedCause) -> list[str]:
    """Components that the ranking explains by this cause, and what triage joined with it."""
    lines: list[str] = []
    for got in story.calls.of(RANKING):
        first = str(got.table.rows[0].get("component") or "") if got.table.rows else ""
        if first.endswith(f".{cause.cluster_name}"):
            lines.append(f"what fails elsewhere points there: {code(first)} {got.cite}")
        if got.reference.number != cause.reference:
            continue
        name = cause.component
        felt = [
            plain(row.get("component"))
            for row in got.table.rows
            if f"{name}, on which it depends, explains it" in plain(row.get("against"))
        ]
        if felt:
            names = listed([code(one) for one in felt])
            depend = "depends on it and is" if len(felt) == 1 else "depend on it and are"
            lines.append(f"{names} {depend} explained by it {got.cite}")
    for got in story.calls.of(PROBLEMS):
        for row in got.table.rows:
            is_here = str(row.get("cluster") or "").partition(" ")[0] == cause.cluster_name
            if is_here and (also := _names_in(plain(row.get("also")))):
                lines.append(f"seen with it: {listed([code(one) for one in also])} {got.cite}")
                break
    return lines


def _names_in(also: str) -> list[str]:
    """The components that a problem touches, without how many symptoms of which kind tell so."""
    return [one for one in (each.strip() for each in also.split(",")) if not _COUNTED.match(one)]


def _changes(story: Story, cause: NamedCause) -> list[str]:
    lines: list[str] = []
    for got in story.calls.of("get_changes"):
        if got.reference.clusters and cause.cluster_name not in got.reference.clusters:
            continue
        if not got.table.rows:
            lines.append(f"{_headline(got)} {got.cite}")
        for row in got.table.rows[:MOST_CHANGES]:
            by = f" by {code(row['by'])}" if plain(row.get("by")) else ""
            at = when(row.get("time"), story.now)
            lines.append(f"{at} {code(row.get('object'))}: {code(row.get('what'))}{by} {got.cite}")
    return lines


def _headline(got: Got) -> str:
    return got.table.headline.rstrip(".")


def _to_do(story: Story, cause: NamedCause, row: Mapping[str, Any]) -> list[str]:
    cite = f"[{cause.reference}]"
    lines = [f"{plain(row['do'])} {cite}"] if plain(row.get("do")) else []
    next_calls = dict.fromkeys(
        plain(one) for one in (row.get("next"), _next_of_problem(story, cause)) if plain(one)
    )
    lines += [f"ask next: {code(one)}" for one in next_calls]
    return lines


def _next_of_problem(story: Story, cause: NamedCause) -> object:
    for got in story.calls.of(PROBLEMS):
        for row in got.table.rows:
            if str(row.get("cluster") or "").partition(" ")[0] == cause.cluster_name:
                return row.get("next")
    return None


def _ranked(story: Story, causes: Sequence[NamedCause]) -> list[str]:
    lines: list[str] = []
    for cause in causes:
        row = _row_of(story, cause)
        against = parts(row.get("against"))
        score = f" (score {cause.score:g})" if cause.score is not None else ""
        why = f": {code(against[0])}" if against else ""
        lines.append(
            f"{_place(cause)} on {code(cause.cluster_name)}{score}{why} [{cause.reference}]"
        )
    return lines


# --- nothing wrong, or no cause ---------------------------------------------------------------


def _calm(story: Story) -> list[str]:
    """That nothing is wrong, as far as was looked; or why nothing can be said."""
    told = [*story.calls.of(PROBLEMS)]
    told += [got for got in story.calls.of(RANKING) if not got.table.rows]
    for name in ("list_alerts", "list_unhealthy", "detect_anomalies", "get_cluster_status"):
        told += story.calls.of(name)
    if not told:
        return ["Not enough data: nothing that was asked answered the question."]
    return [f"{got.table.headline} {got.cite}" for got in told]


# --- what was asked about in particular -------------------------------------------------------

_LEADS = {
    "list_alerts": ("severity", "alert"),
    "get_changes": ("time", "object"),
    "get_gpu_health": ("verdict", "gpu", "card", "node"),
    "get_ptp_status": ("cluster", "node"),
    "get_cnf_workloads": ("cluster", "workload", "name"),
    "get_model_servers": ("verdict", "server"),
    "list_clusters": ("name", "state"),
    "find_runbook": ("name", "title"),
    "query_logs": ("level", "where"),
}
_ASIDE = frozenset(
    {PROBLEMS, RANKING, "get_changes", "list_unhealthy", "detect_anomalies", "get_cluster_status"}
)


def _topic(story: Story) -> list[str]:
    """What the tools of the topic said, as they said it."""
    wanted = story.asked.topic.value
    lines: list[str] = []
    for got in story.calls.got:
        name = got.wanted.name
        is_aside = name in _ASIDE and not (name == "get_changes" and wanted == "changes")
        if is_aside or not got.is_good or (name == "list_clusters" and wanted != "the clusters"):
            continue
        if name == "list_alerts" and wanted != "alerts":
            continue
        lines.append(f"{got.table.headline} {got.cite}")
        lead = _LEADS.get(name, ())
        rows = [row_line(row, lead=lead, skip=("do", "next")) for row in got.table.rows[:MOST_ROWS]]
        lines += bullets(f"{row} {got.cite}" for row in rows)
        left = len(got.table.rows) - len(rows)
        if left > 0:
            lines.append(f"- {left} more {got.cite}")
    return lines


# --- what is not known ------------------------------------------------------------------------


def _not_known(story: Story) -> list[str]:
    items = list(dict.fromkeys(_missing(story)))
    return ["", "**Not known**", *bullets(items)] if items else []


def _missing(story: Story) -> Iterator[str]:
    for got in story.calls.failed():
        said = code(got.reference.headline, 160)
        yield f"{code(got.wanted.name)} gave no answer: {said}"
    for name in story.calls.lacking:
        yield f"{code(name)} could not be asked: the persona does not have it"
    for got in story.calls.got:
        if not got.is_good:
            continue
        for line in got.reference.text.split("\n"):
            note = line.removeprefix("note: ")
            if note != line and (note.startswith(("not known", "no ")) or ": not known" in note):
                yield f"{code(note)} {got.cite}"
        coverage = got.reference.coverage or ""
        if got.wanted.name == PROBLEMS and "offline" in coverage:
            yield f"clusters that are away could not be asked: {code(coverage)} {got.cite}"
