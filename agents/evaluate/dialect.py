"""What scenario files may call things: every synonym that is understood, and our name for it.

Pure data and one function. It must not know what the values mean.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

SCENARIO: Final = {
    "name": ("name", "id", "scenario", "scenario_name"),
    "title": ("title", "description", "summary"),
    "incidents": ("incidents", "incident", "incident_name", "fault", "faults"),
    "away": ("away", "unreachable", "offline", "clusters_away", "away_clusters"),
    "question": ("question", "prompt", "query", "ask", "user", "input", "message", "questions"),
    "history": ("history", "before", "conversation", "turns", "messages"),
    "persona": ("persona", "persona_id", "role"),
    "clusters": ("clusters", "cluster", "scope", "cluster_context", "cluster_scope"),
    "time": ("time", "time_scope", "time_window", "window"),
    "hours_before": ("hours_before", "now", "asked_at", "clock"),
    "expect": (
        *("expect", "expected", "expects", "expectation", "expectations", "facts", "answer"),
        *("assert", "asserts", "assertions", "checks", "then", "want", "wants"),
    ),
    "must": (
        *("must", "must_include", "must_contain", "must_have", "must_mention", "must_say"),
        *("include", "includes", "contains", "expected_facts", "required_facts", "facts_present"),
        *("should_mention", "should_contain", "must_be_in_answer", "present", "mentions"),
    ),
    "must_not": (
        *("must_not", "must_not_include", "must_not_contain", "must_not_have", "not_contains"),
        *("must_not_mention", "must_not_say", "forbidden", "forbidden_facts", "excludes"),
        *("facts_absent", "absent", "never", "must_not_be_in_answer", "not", "exclude"),
    ),
    "cause": (
        *("cause", "causes", "root_cause", "root_causes", "expected_cause", "expected_root_cause"),
        "truth",
    ),
    "healthy": (
        *("healthy", "is_healthy", "expect_healthy", "clean", "nothing_wrong", "no_cause"),
        "red_herring",
    ),
    "tools": (
        *("tools", "expected_tools", "should_use", "tools_used", "required_tools", "tool_calls"),
        *("must_use", "should_call", "tools_expected", "tools_should"),
    ),
    "tools_not": (
        *("forbidden_tools", "tools_not", "must_not_use", "should_not_use", "should_not_call"),
        *("must_not_call", "tools_should_not", "tools_forbidden"),
    ),
    "tools_any": ("tools_any", "tools_any_of", "any_tool", "any_tools", "any_of_tools"),
    "onset": ("onset", "at", "started", "started_at", "since", "incident_at"),
    "budget": ("budget", "limits", "limit", "budgets", "max"),
    "injection": (
        *("injection", "prompt_injection", "hostile", "must_notice_orders"),
        "injection_must_be_noticed",
    ),
}
TOOLS: Final = {
    "should": ("should", "should_use", "expected", "required", "must", "must_use", "used", "any"),
    "should_not": (
        *("should_not", "should_not_use", "forbidden", "must_not", "must_not_use", "never"),
        "not",
    ),
}
BUDGET: Final = {
    "calls": ("calls", "max_calls", "tool_calls", "max_tool_calls", "tools"),
    "tokens": ("tokens", "max_tokens", "total_tokens"),
    "steps": ("steps", "max_steps", "turns", "max_turns"),
    "seconds": ("seconds", "max_seconds", "time", "timeout", "latency", "duration", "wall"),
}
CAUSE: Final = {
    "cluster": ("cluster", "cluster_name"),
    "component": ("component", "workload", "service", "node", "gpu", "object", "resource"),
    "name": ("name",),
    "namespace": ("namespace", "ns"),
    "kind": ("kind", "type", "component_type", "component_kind"),
    "none": ("none", "healthy", "no_cause"),
    "from_truth": ("from_truth", "truth", "of_incident"),
    "names": ("names", "aliases", "also", "any", "any_of"),
    "about": ("what", "text", "description", "root_cause", "summary", "remedy", "affected"),
    "more": ("alerts", "red_herring", "tolerated", "why"),
}
FACT: Final = {
    "any": ("any", "any_of", "one_of", "anyof", "or", "oneof"),
    "pattern": ("pattern", "regex", "re", "re2", "matches", "regexp"),
    "text": ("text", "fact", "value", "contains", "say", "says", "string"),
    "about": ("why", "note", "comment", "weight", "name", "id"),
}
UNHEEDED: Final = frozenset(
    {
        *("tags", "comment", "comments", "notes", "note", "version", "schema", "category", "kind"),
        *("difficulty", "weight", "author", "why", "apiversion", "api_version", "metadata"),
    }
)
"""Names of a scenario that are let pass without a word."""

_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def plain_key(key: object) -> str:
    """``mustNot``, ``must-not`` and ``Must not`` are ``must_not``."""
    return _NOT_A_WORD.sub("_", _HUMP.sub("_", str(key)).lower()).strip("_")


def understood(
    content: Mapping[Any, Any], names: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, Any], list[str]]:
    """A mapping under our names, and the keys that nobody understands.

    Where two synonyms stand beside each other, our own name wins, then the first in the file.
    """
    ours = {synonym: name for name, synonyms in names.items() for synonym in synonyms}
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for key, value in content.items():
        written = plain_key(key)
        name = ours.get(written)
        if name is None:
            if written not in UNHEEDED:
                unknown.append(str(key))
        elif name not in found or written == name:
            found[name] = value
    return found, unknown


def as_list(value: object) -> list[Any]:
    """What may be written alone or as a list."""
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]
