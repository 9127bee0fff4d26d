"""A root-cause answer as a text for people: what, since when, why, what else, what to do. Pure.

Made of templates alone. What a cluster wrote stands in code spans, so that it is nobody's markup.
"""

from collections.abc import Iterable, Iterator

from aiops_mcp.models.rootcause import RCAResult, RootCause, TriggerKind

MOST_OTHERS = 4


def title_of(found: RCAResult) -> str:
    """What was asked, and the likeliest answer."""
    if not found.causes:
        return f"No root cause found on {found.cluster_name}"
    first = found.causes[0]
    return f"{first.component} on {found.cluster_name} most likely caused it"


def text_of(found: RCAResult) -> str:
    """The whole as Markdown."""
    return "\n".join(_lines(found)).strip() + "\n"


def _lines(found: RCAResult) -> Iterator[str]:
    yield f"# {title_of(found)}"
    yield ""
    yield _asked(found)
    if not found.causes:
        yield ""
        yield f"Nothing was found: {found.reason_if_empty}."
    else:
        yield from _cause(found.causes[0])
        yield from _spread(found)
        yield from _others(found.causes[1:])
        yield from _section("What to do", found.remediation_steps)
    yield from _section("Not known", found.missing)
    yield ""
    yield (
        f"Looked at {found.series_judged} series and {', '.join(found.looked_at) or 'nothing'} "
        f"from {found.start_time:%Y-%m-%d %H:%M} to {found.end_time:%Y-%m-%d %H:%M} UTC."
    )


def _asked(found: RCAResult) -> str:
    trigger = found.trigger
    asked = {
        TriggerKind.ALERT: f"the alert {_code(trigger.name or '')}",
        TriggerKind.ANOMALY: f"an anomaly of {_code(trigger.component or '')}",
        TriggerKind.COMPONENT: _code(trigger.component or trigger.name or ""),
        TriggerKind.TIME: "the cluster at that time",
    }[trigger.kind]
    noticed = f", noticed at {trigger.at:%Y-%m-%d %H:%M} UTC" if trigger.at else ""
    return f"Asked about {asked} on {found.cluster_name}{noticed}."


def _cause(one: RootCause) -> Iterator[str]:
    yield ""
    since = f", since {one.since:%Y-%m-%d %H:%M} UTC" if one.since else ""
    what = f": {_code(one.what)}" if one.what else ""
    yield f"**{one.component}**{since}{what} (score {one.score:.2f})."
    yield from _section("For it", map(_code, one.evidence_for))
    yield from _section("Against it", map(_code, one.evidence_against))


def _spread(found: RCAResult) -> Iterator[str]:
    first = found.causes[0].component
    yield from _section(
        "How it spread",
        (
            f"{edge.source} {edge.relation.replace('_', ' ')} {edge.target}"
            + (f", {edge.lag_seconds:.0f} s later" if edge.lag_seconds else "")
            for edge in found.correlation_graph.edges
            if edge.target == first
        ),
    )


def _others(causes: Iterable[RootCause]) -> Iterator[str]:
    told = [
        f"{one.component} (score {one.score:.2f})"
        + (f": {_code(one.evidence_against[0])}" if one.evidence_against else "")
        for one in causes
    ]
    yield from _section("Less likely", told[:MOST_OTHERS])


def _section(heading: str, items: Iterable[str]) -> Iterator[str]:
    told = list(items)
    if told:
        yield ""
        yield f"## {heading}"
        yield ""
        yield from (f"- {one}" for one in told)


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`" if text else "it"
