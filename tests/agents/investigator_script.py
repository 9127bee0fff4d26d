"""Scripts for the scripted model: one that investigates as a reasonable model does, one greedy.

Both are functions of the request, and read what the tools gave as a model would: as text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripted_model import Said

_SCOPE = re.compile(r"The user asks about these clusters: ([^.\n]+)\.")
_NUMBER = re.compile(r"^\[(\d+)\]")


@dataclass
class Seen:
    """One result as the model sees it."""

    tool: str
    number: int
    text: str

    def rows(self) -> Iterator[dict[str, str]]:
        """Its table, a row at a time."""
        lines = [line for line in self.text.splitlines() if " | " in line]
        if not lines:
            return
        columns = [each.strip() for each in lines[0].split(" | ")]
        for line in lines[1:]:
            cells = [each.strip() for each in line.split(" | ")]
            if len(cells) == len(columns):
                yield dict(zip(columns, cells, strict=True))


@dataclass
class Talk:
    """A request as the scripts need it."""

    question: str
    scope: list[str]
    offered: list[str]
    seen: list[Seen]
    asked: int

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Talk":
        messages = body["messages"]
        system = "\n".join(each["content"] for each in messages if each["role"] == "system")
        users = [each for each in messages if each["role"] == "user"]
        names: dict[str, str] = {}
        seen: list[Seen] = []
        for each in messages:
            for call in each.get("tool_calls") or ():
                names[call["id"]] = call["function"]["name"]
            if each["role"] == "tool" and (number := _NUMBER.match(each["content"])):
                tool = names.get(each["tool_call_id"], "")
                seen.append(Seen(tool, int(number[1]), each["content"]))
        scope = _SCOPE.search(system)
        return cls(
            question=users[-1]["content"] if users else "",
            scope=[one.strip() for one in scope[1].split(",")] if scope else [],
            offered=[tool["function"]["name"] for tool in body.get("tools") or ()],
            seen=seen,
            asked=sum(each["role"] == "assistant" for each in messages),
        )

    def of_tool(self, name: str) -> list[Seen]:
        return [one for one in self.seen if one.tool == name]


def reasonable(body: dict[str, Any]) -> Said:
    """Triage, then the root cause of what is worst with what changed, then an answer that cites."""
    talk = Talk.of(body)
    if not talk.offered or talk.of_tool("analyze_root_cause"):
        return Said(text=_answer(talk))
    triage = talk.of_tool("triage")
    if not triage:
        return Said(calls=[("triage", {"clusters": talk.scope} if talk.scope else {})])
    clusters = _struck(triage[-1]) or talk.scope[:1]
    if not clusters:
        return Said(text=_answer(talk))
    calls: list[Any] = [("analyze_root_cause", {"cluster": one}) for one in clusters]
    if "get_changes" in talk.offered:
        calls.append(("get_changes", {"clusters": clusters}))
    return Said(text="I look for the cause.", calls=calls, shape="vllm")


def _struck(triage: Seen) -> list[str]:
    """The clusters of the worst problems, three at most."""
    found = [
        one.strip() for row in triage.rows() for one in row.get("cluster", "").split(",") if one
    ]
    return list(dict.fromkeys(one for one in found if re.fullmatch(r"[a-z][a-z0-9-]+", one)))[:3]


def _answer(talk: Talk) -> str:
    causes: list[str] = []
    for rca in talk.of_tool("analyze_root_cause"):
        cluster = _cluster_of(rca)
        for row in list(rca.rows())[:1]:
            causes.append(
                f"The root cause is **{row['component']}** in {cluster}: {row.get('what', '')} "
                f"[{rca.number}]."
            )
            if row.get("for", "-") != "-":
                causes.append(f"It shows: {row['for']} [{rca.number}].")
            if row.get("do", "-") != "-":
                causes.append(f"To do: {row['do']} [{rca.number}].")
    triage = talk.of_tool("triage")
    told = [f"{_headline(one)} [{one.number}]" for one in triage[-1:]]
    if not causes:
        return " ".join([*told, "No cause is to be named."])
    return "\n".join([*told, *causes])


def _cluster_of(rca: Seen) -> str:
    found = re.search(r"\bon ([a-z][a-z0-9-]+)\b", _headline(rca))
    return found[1] if found else "the cluster"


def _headline(seen: Seen) -> str:
    return _NUMBER.sub("", seen.text).strip().splitlines()[0].strip()


# --- the greedy one ------------------------------------------------------------------------------


def everything(body: dict[str, Any]) -> Said:
    """Calls every tool it was offered, four a turn, each as broadly as it may; then it answers."""
    talk = Talk.of(body)
    called = {
        call["function"]["name"]
        for each in body["messages"]
        for call in each.get("tool_calls") or ()
    }
    left = [name for name in talk.offered if name not in called and name in _BROADLY]
    if not left:
        return Said(text=_answer(talk))
    cluster = (_struck(talk.of_tool("triage")[-1]) if talk.of_tool("triage") else []) or talk.scope
    where = (cluster or ["prod-frankfurt"])[0]
    return Said(calls=[(name, _filled(_BROADLY[name], where)) for name in left[:4]])


def _filled(arguments: Any, cluster: str) -> Any:
    if isinstance(arguments, dict):
        return {key: _filled(value, cluster) for key, value in arguments.items()}
    if isinstance(arguments, list):
        return [_filled(value, cluster) for value in arguments]
    return cluster if arguments == "CLUSTER" else arguments


_HERE = {"clusters": ["CLUSTER"], "limit": 50}
_BROADLY: dict[str, dict[str, Any]] = {
    "triage": {"limit": 50},
    "list_alerts": {"limit": 50},
    "list_unhealthy": {"limit": 50},
    "analyze_root_cause": {"cluster": "CLUSTER", "limit": 10},
    "get_changes": _HERE,
    "list_clusters": {"limit": 50},
    "list_events": _HERE,
    "query_logs": {**_HERE, "search": "error"},
    "detect_anomalies": _HERE,
    "correlate": {"cluster": "CLUSTER"},
    "find_metrics": {"search": "errors", "limit": 50},
    "query_metrics": {"query": "up", "limit": 50},
    "search_traces": _HERE,
    "get_gpu_health": {"limit": 50},
    "get_gpu_nodes": {"limit": 50},
    "get_gpu_processes": {"limit": 50},
    "get_gpu_summary": {},
    "get_gpu_waste": {"limit": 50},
    "get_model_servers": {"limit": 50},
    "get_cnf_workloads": {"limit": 50},
    "get_ptp_status": {"limit": 50},
    "get_dpdk_stats": {"limit": 50},
    "get_sriov_status": {"limit": 50},
    "find_runbook": {"words": "crash"},
    "get_fleet_summary": {},
}
