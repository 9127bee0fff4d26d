"""Reads one scenario, in whatever dialect it is written; what is odd becomes a warning.

What it leaves out (the cause) comes from the truth of its incidents. It must not know files.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import yaml

from agents.evaluate import dialect
from agents.evaluate.causes_wanted import cause_from
from agents.evaluate.dialect import as_list, plain_key, understood
from agents.evaluate.scenario import Budget, Fact, Said, Scenario, WantedCause, fact_pattern
from agents.evaluate.truths import cause_of, incident_name
from aiops_mcp.errors import InputError
from aiops_mcp.models.chat import TimeScope
from aiops_mcp.models.entity import duration_seconds
from aiops_mcp.models.persona import DEFAULT_PERSONA
from aiops_mcp.simulation.incident import Incident, parse_incident

_NOTHING: Final = frozenset({"none", "nothing", "healthy", "no", "null", ""})
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")


def incident_from(content: Mapping[str, Any], source: str, warnings: list[str]) -> Incident | None:
    """An incident written out; ``None``, and a warning, where it is none."""
    try:
        return parse_incident(yaml.safe_dump(dict(content)), source)
    except InputError as error:
        warnings.append(error.message)
        return None


class ScenarioReader:
    """Reads a scenario of the file ``source``; incidents written out in it are ``inline`` then.

    What is odd is added to ``warnings``.
    """

    def __init__(self, source: str, incidents: Mapping[str, Incident], warnings: list[str]) -> None:
        self._source = source
        self._incidents = dict(incidents)
        self._warnings = warnings
        self.inline: dict[str, Incident] = {}

    def warn(self, text: str) -> None:
        self._warnings.append(f"{self._source}: {text}")

    def scenario(self, content: Mapping[str, Any]) -> Scenario:
        given = self._flat(content)
        incidents = self._started(given.get("incidents"), given.get("onset"))
        unknown = [one for one in incidents if incident_name(one) not in self._incidents]
        fault = f"there is no incident {', '.join(unknown)}" if unknown else ""
        question, history = self._question(given)
        fault = fault or ("" if question else "it asks nothing")
        if fault:
            self.warn(fault)
        truths = [
            self._incidents[incident_name(one)].truth for one in incidents if one not in unknown
        ]
        wrong = [truth for truth in truths if truth.component != "none"]
        causes, is_healthy = self._judged(given, [cause_of(one) for one in wrong])
        should, should_not = self._tools(given)
        name = _NOT_A_NAME.sub("-", str(given.get("name") or "").lower()).strip("-")
        return Scenario(
            name=name or self._source.partition(".")[0],
            question=question,
            title=str(given.get("title") or ""),
            incidents=tuple(incidents),
            away=_texts(given.get("away")),
            hours_before=self._hours(given.get("hours_before")),
            history=history,
            persona=str(given.get("persona") or DEFAULT_PERSONA),
            clusters=_texts(given.get("clusters")),
            time_scope=self._time(given.get("time")),
            must=self._facts(given.get("must")),
            must_not=self._facts(given.get("must_not")),
            causes=causes,
            affected=tuple(name for one in truths for name in one.affected),
            is_healthy=is_healthy,
            should=should,
            should_not=should_not,
            budget=self._budget(given.get("budget")),
            must_notice_orders=_is_set(given.get("injection")),
            fault=fault,
        )

    def _flat(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Everything under our names; what stands below ``facts`` or ``expect`` drawn up."""
        given, unknown = understood(content, dialect.SCENARIO)
        inner: Any = given.pop("expect", None)
        if isinstance(inner, Mapping):
            for name, value in self._flat(cast("Mapping[str, Any]", inner)).items():
                given.setdefault(name, value)
        elif inner is not None:
            given.setdefault("must", inner)
        odd = [key for key in unknown if not self._drawn_up(content[key], given)]
        if odd:
            self.warn(f"nobody understands {', '.join(odd)}")
        return given

    def _drawn_up(self, value: Any, given: dict[str, Any]) -> bool:
        """Take what we know from below a key that we do not, such as ``setup``."""
        if not isinstance(value, Mapping):
            return False
        mapping = cast("Mapping[str, Any]", value)
        if not understood(mapping, dialect.SCENARIO)[0]:
            return False
        for name, one in self._flat(mapping).items():
            given.setdefault(name, one)
        return True

    def _started(self, value: Any, onset: Any = None) -> list[str]:
        """Incidents by name; one written out in place is kept in ``inline``.

        ``onset`` is when those began that do not say it themselves.
        """
        started: list[str] = []
        for one in as_list(value):
            if isinstance(one, Mapping):
                written = cast("Mapping[str, Any]", one)
                if "effects" in written:
                    started.extend(self._inline(written))
                    continue
                name = str(written.get("name") or written.get("incident") or "")
                when = written.get("at") or written.get("when") or written.get("onset")
                started.append(f"{name}@{when}" if when else name)
            elif plain_key(one) not in _NOTHING:
                started.append(str(one).strip())
        began = onset.isoformat() if isinstance(onset, datetime) else str(onset or "").strip()
        if began:
            return [one if "@" in one else f"{one}@{began}" for one in started]
        return started

    def _inline(self, written: Mapping[str, Any]) -> list[str]:
        incident = incident_from(written, self._source, self._warnings)
        if incident is None:
            return []
        self.inline[incident.name] = self._incidents[incident.name] = incident
        return [incident.name]

    def _question(self, given: Mapping[str, Any]) -> tuple[str, tuple[Said, ...]]:
        """The last question; those before it, and ``history``, are what was said."""
        questions = [str(one).strip() for one in as_list(given.get("question"))]
        said = [self._said(one) for one in as_list(given.get("history"))]
        history = [each for one in said for each in one]
        if not questions and history and history[-1].role == "user":
            questions = [history.pop().text]
        history += [Said("user", one) for one in questions[:-1]]
        return (questions[-1] if questions else ""), tuple(history)

    def _said(self, one: Any) -> list[Said]:
        if not isinstance(one, Mapping):
            return [Said("user", str(one))]
        turn = {plain_key(key): value for key, value in cast("Mapping[Any, Any]", one).items()}
        if "role" in turn:
            role = "assistant" if str(turn["role"]).lower() in ("assistant", "agent") else "user"
            return [Said(role, str(turn.get("content") or turn.get("text") or ""))]
        pairs = (("user", "user"), ("question", "user"), ("assistant", "assistant"))
        more = (("answer", "assistant"), ("agent", "assistant"))
        return [
            Said("user" if role == "user" else "assistant", str(turn[key]))
            for key, role in (*pairs, *more)
            if key in turn
        ]

    def _judged(
        self, given: Mapping[str, Any], of_truth: Sequence[WantedCause | None]
    ) -> tuple[tuple[WantedCause, ...], bool]:
        """The causes that are to be named, and whether none is."""
        true_causes = tuple(one for one in of_truth if one)
        written: Any = given.get("cause")
        if "healthy" in given and written is None:
            healthy = _is_set(given["healthy"])
            return ((), True) if healthy else (true_causes, False)
        if written is None:
            return true_causes, not of_truth and not given.get("away")
        causes: list[WantedCause] = []
        for one in as_list(written) or [None]:
            found = cause_from(one)
            if found == "none":
                return (), True
            if found == "truth":
                causes.extend(true_causes)
            elif isinstance(found, WantedCause):
                causes.append(found)
            else:
                self.warn(f"cause {str(one)[:60]!r} names no component; the incidents' truth is")
                causes.extend(true_causes)
        return tuple(dict.fromkeys(causes)), not causes and not of_truth

    def _tools(self, given: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        value: Any = given.get("tools")
        should_not = list(_texts(given.get("tools_not")))
        if isinstance(value, Mapping):
            named, unknown = understood(cast("Mapping[str, Any]", value), dialect.TOOLS)
            if unknown:
                self.warn(f"tools: nobody understands {', '.join(unknown)}")
            should_not += _texts(named.get("should_not"))
            value = named.get("should")
        any_of = "|".join(_texts(given.get("tools_any")))
        return (*_tool_names(value), *([any_of] if any_of else ())), tuple(should_not)

    def _facts(self, value: Any) -> tuple[Fact, ...]:
        if isinstance(value, Mapping) and "all" in value:
            mapping = dict(cast("Mapping[str, Any]", value))
            facts = [*as_list(mapping.pop("all")), *([mapping] if mapping else [])]
        else:
            facts = as_list(cast("Any", value))
        return tuple(fact for one in facts if (fact := self._fact(one)) is not None)

    def _fact(self, one: Any) -> Fact | None:
        if isinstance(one, list):
            return Fact(tuple(str(each) for each in cast("list[Any]", one)))
        if not isinstance(one, Mapping):
            return Fact((str(one),)) if str(one).strip() else None
        given, unknown = understood(cast("Mapping[str, Any]", one), dialect.FACT)
        if unknown:
            self.warn(f"facts: nobody understands {', '.join(unknown)}")
        if "pattern" in given:
            return self._pattern(str(given["pattern"]))
        texts = _texts(given.get("any")) or _texts(given.get("text"))
        return Fact(texts) if texts else None

    def _pattern(self, pattern: str) -> Fact | None:
        try:
            fact_pattern(pattern)
        except ValueError as error:
            self.warn(str(error))
            return None
        return Fact(pattern=pattern)

    def _budget(self, value: Any) -> Budget:
        if not isinstance(value, Mapping):
            return Budget()
        given, unknown = understood(cast("Mapping[str, Any]", value), dialect.BUDGET)
        if unknown:
            self.warn(f"budget: nobody understands {', '.join(unknown)}")
        numbers = {name: self._number(name, one) for name, one in given.items()}
        whole = {
            name: None if number is None else round(number)
            for name, number in numbers.items()
            if name != "seconds"
        }
        return Budget(**whole, seconds=numbers.get("seconds"))

    def _number(self, name: str, value: Any) -> float | None:
        try:
            if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
                return duration_seconds(value)
            return float(value)
        except (TypeError, ValueError):
            self.warn(f"{name} {value!r} is no number")
            return None

    def _hours(self, value: Any) -> float:
        """``-7h``, ``7h`` and 7 are the same: before noon."""
        if value is None:
            return 0.0
        if isinstance(value, str):
            seconds = self._number("now", value.strip().lstrip("+-"))
            return (seconds or 0.0) / 3600 if not value.strip("+-").isdigit() else seconds or 0.0
        return abs(self._number("now", value) or 0.0)

    def _time(self, value: Any) -> TimeScope:
        if not isinstance(value, Mapping):
            return TimeScope()
        mapping = cast("Mapping[str, Any]", value)
        start = self._moment(mapping.get("start") or mapping.get("from"))
        return TimeScope(start=start, end=self._moment(mapping.get("end") or mapping.get("to")))

    def _moment(self, value: Any) -> datetime | None:
        if value is None:
            return None
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            self.warn(f"{value!r} is no time")
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one).strip() for one in as_list(value) if str(one).strip())


def _tool_names(value: Any) -> tuple[str, ...]:
    """Tools to be used; ``triage | get_alerts`` and a list within the list are alternatives."""
    names: list[str] = []
    for one in as_list(value):
        if isinstance(one, Mapping):
            mapping = cast("Mapping[str, Any]", one)
            one = mapping.get("any") or mapping.get("any_of") or mapping.get("name") or ""  # noqa: PLW2901 - unfolded
        names.append("|".join(_texts(one)).replace(" ", ""))
    return tuple(name for name in names if name)


def _is_set(value: Any) -> bool:
    """``true``, ``yes``, or a mapping in which anything is so."""
    if isinstance(value, Mapping):
        return any(_is_set(one) for one in cast("Mapping[str, Any]", value).values())
    return str(value).lower() in ("true", "yes", "1", "must_be_noticed") if value else False
