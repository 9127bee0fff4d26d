"""Understands how a scenario's file names the cause: a text, a mapping, or that there is none.

Pure. It must not know incidents.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from agents.evaluate import dialect
from agents.evaluate.dialect import as_list, understood
from agents.evaluate.scenario import WantedCause

_COLON = re.compile(r"^([\w.-]+):\s+")
_KINDS = frozenset({"workload", "node", "gpu", "certificate", "clock", "network", "none"})
_NONE = frozenset({"none", "nothing", "healthy", "null", "false", "no", "n/a", ""})


def cause_from(value: Any) -> WantedCause | Literal["none", "truth"] | None:
    """The cause that one entry names; ``None`` where it is prose that names no component."""
    if value is None or value is False:
        return "none"
    if isinstance(value, Mapping):
        return _of_mapping(cast("Mapping[str, Any]", value))
    text = str(value).strip()
    if text.lower() in _NONE:
        return "none"
    if text.lower() in ("from_truth", "truth", "true"):
        return "truth"
    return None if " " in _COLON.sub(":", text) else _of_path(text)


def _of_path(text: str) -> WantedCause:
    """``cluster/namespace/name``, ``namespace/name``, ``cluster: name`` or a bare name."""
    cluster, colon, rest = text.partition(":")
    if colon and rest and "/" not in cluster:
        return WantedCause(_forms(rest.strip()), cluster, text)
    parts = text.split("/")
    if len(parts) == 3 and not parts[-1].isdigit():
        return WantedCause(_forms("/".join(parts[1:])), parts[0], text)
    return WantedCause(_forms(text), None, text)


def _of_mapping(value: Mapping[str, Any]) -> WantedCause | Literal["none", "truth"] | None:
    given, _ = understood(value, dialect.CAUSE)
    if given.get("none"):
        return "none"
    if given.get("from_truth"):
        return "truth"
    component = str(given.get("component") or "")
    kind = str(given.get("kind") or "").lower()
    name = str(given.get("name") or "")
    if component.lower() in _KINDS:
        # As in the truth of an incident: the component is a kind, and the name stands beside it.
        kind, component = component.lower(), name
    component = component or name
    if kind == "none":
        return "none"
    namespace = given.get("namespace")
    if component and namespace and "/" not in component:
        component = f"{namespace}/{component}"
    others = [str(one) for one in as_list(given.get("names"))]
    names = frozenset(form for one in (component, *others) if one for form in _forms(one, kind))
    cluster = str(given["cluster"]) if given.get("cluster") else None
    if not names:
        # A cluster that is cut off is its own cause.
        return WantedCause(frozenset({cluster}), cluster, cluster) if cluster else None
    if kind == "network" and not namespace and cluster and "/" not in component:
        return WantedCause(names | {cluster}, None, component)
    return WantedCause(names, cluster, f"{cluster}: {component}" if cluster else component)


def _forms(component: str, kind: str = "") -> frozenset[str]:
    """What it may be called: without its namespace too, a card also by its node."""
    names = {component}
    head, slash, last = component.rpartition("/")
    if slash and last.isdigit():
        names.add(head.rpartition("/")[2])
    elif slash and kind != "gpu":
        names.add(last)
    elif slash:
        names.add(head)
    return frozenset(names)
