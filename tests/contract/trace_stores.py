"""Stores of traces as their documentation has them, each holding the same two traces.

A store is a function of a request. What a version does not have, it answers as that version does.
"""

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qsl

import httpx2

START_NS = 1_772_366_400_123_456_789
"""2026-03-01T12:00:00.123456789Z"""

SLOW = "0af7651916cd43dd8448eb211c80319c"
SHORT = "00000000000000000000000000000abc"
"""Stores leave leading zeros of an id out."""

MS = 1_000_000

# id, parent, name, service, kind, start after START_NS, duration, failed, attributes
SPANS = [
    ("b7ad6b7169203331", "", "POST /order", "checkout", "SERVER", 0, 900 * MS, False, {"http.route": "/order"}),
    ("00f067aa0ba902b7", "b7ad6b7169203331", "charge", "payment", "CLIENT", 50 * MS, 800 * MS, True, {"http.status_code": 502}),
    ("00000000000000a1", "00f067aa0ba902b7", "SELECT cards", "card-db", "CLIENT", 60 * MS, 700 * MS, False, {"db.system": "postgresql"}),
]  # fmt: skip

Store = Callable[[httpx2.Request], httpx2.Response]


def json_of(value: object, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=value)


def text(status: int, body: str) -> httpx2.Response:
    return httpx2.Response(status, text=body, headers={"content-type": "text/plain; charset=utf-8"})


def query_of(request: httpx2.Request) -> dict[str, str]:
    return dict(parse_qsl(request.url.query.decode()))


def b64(hex_text: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_text)).decode()


def attribute(key: str, value: object) -> dict[str, object]:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}


def resource_spans(trace_id: str = SLOW, ident: Callable[[str], str] = str) -> list[dict]:
    """OTLP's JSON of `SPANS`, ids as ``ident`` writes them."""
    blocks = []
    for span_id, parent, name, service, kind, start, duration, failed, tags in SPANS:
        begin = START_NS + start
        span = {
            "traceId": ident(trace_id),
            "spanId": ident(span_id),
            "name": name,
            "kind": f"SPAN_KIND_{kind}",
            "startTimeUnixNano": str(begin),
            "endTimeUnixNano": str(begin + duration),
            "attributes": [attribute(key, value) for key, value in tags.items()],
        }
        if parent:
            span["parentSpanId"] = ident(parent)
        if failed:
            span["status"] = {"code": "STATUS_CODE_ERROR", "message": "card declined"}
            span["events"] = [
                {
                    "timeUnixNano": str(begin + 5),
                    "name": "exception",
                    "attributes": [
                        attribute("exception.type", "CardError"),
                        attribute("exception.message", "no funds"),
                    ],
                }
            ]
        resource = {
            "attributes": [
                attribute("service.name", service),
                attribute("k8s.pod.name", f"{service}-0"),
            ]
        }
        blocks.append({"resource": resource, "scopeSpans": [{"scope": {}, "spans": [span]}]})
    return blocks


def tempo_hits(with_stats: bool) -> list[dict]:
    slow = {
        "traceID": SLOW,
        "rootServiceName": "checkout",
        "rootTraceName": "POST /order",
        "startTimeUnixNano": str(START_NS),
        "durationMs": 900,
        "spanSets": [
            {
                "spans": [
                    {
                        "spanID": "b7ad6b7169203331",
                        "name": "POST /order",
                        "startTimeUnixNano": str(START_NS),
                        "durationNanos": "900000000",
                        "attributes": [],
                    }
                ],
                "matched": 3,
            }
        ],
    }
    short = {
        "traceID": "abc",
        "rootServiceName": "<root span not yet received>",
        "startTimeUnixNano": str(START_NS + 1_000 * MS),
    }
    if with_stats:
        slow["serviceStats"] = {
            "checkout": {"spanCount": 1},
            "payment": {"spanCount": 1, "errorCount": 1},
            "card-db": {"spanCount": 1},
        }
        short["serviceStats"] = {"cart": {"spanCount": 2}}
    return [slow, short]


class Tempo:
    """Grafana Tempo; ``v2`` of a trace came with 2.6, ``stats`` of hits with 2.4."""

    def __init__(
        self, *, v2: bool = True, stats: bool = True, base64_ids: bool = False, prefix: str = ""
    ) -> None:
        self.v2, self.stats, self.prefix = v2, stats, prefix
        self.ident = b64 if base64_ids else str
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path, query = request.url.path, query_of(request)
        self.asked.append((path, query))
        if not path.startswith(self.prefix):
            return text(404, "404 page not found\n")
        return self.answer(path.removeprefix(self.prefix), query)

    def answer(self, path: str, query: dict[str, str]) -> httpx2.Response:
        if path == "/api/echo":
            return text(200, "echo")
        if path == "/ready":
            return text(200, "ready\n")
        if path == "/api/search":
            return self.search(query)
        if path.startswith("/api/v2/traces/") and not self.v2:
            return text(404, "404 page not found\n")
        if path.startswith("/api/v2/traces/"):
            return self.trace(path.rpartition("/")[2], v2=True)
        if path.startswith("/api/traces/"):
            return self.trace(path.rpartition("/")[2], v2=False)
        if path.startswith("/api/v2/search/tag/") and path.endswith("/values"):
            return self.values(path.split("/")[5], query)
        if path == "/api/search/tag/service.name/values":
            return json_of({"tagValues": ["payment", "checkout", "card-db"]})
        return text(404, "404 page not found\n")

    def search(self, query: dict[str, str]) -> httpx2.Response:
        q = query.get("q", "")
        if "bad query" in q:
            return text(400, "invalid TraceQL query: parse error at line 1, col 3")
        hits = tempo_hits(self.stats)
        if "status = error" in q:
            hits = hits[:1]
        return json_of({"traces": hits, "metrics": {"inspectedTraces": 2}})

    def trace(self, trace_id: str, *, v2: bool) -> httpx2.Response:
        if trace_id == "f" * 32:
            return text(422, "trace exceeds max size (max bytes: 5000000)")
        if trace_id not in (SLOW, SHORT):
            return text(404, "")
        blocks = resource_spans(trace_id, self.ident)
        if not v2:
            return json_of({"batches": blocks})
        if trace_id == SHORT:
            told = {"status": "PARTIAL", "message": "a block was not read"}
            return json_of({"trace": {"resourceSpans": blocks}, **told})
        return json_of({"trace": {"resourceSpans": blocks}, "status": "COMPLETE"})

    def values(self, tag: str, query: dict[str, str]) -> httpx2.Response:
        if tag == "resource.service.name":
            found = ["payment", "checkout", "card-db"]
        elif tag == "name" and 'resource.service.name = "payment"' in query.get("q", ""):
            found = ["charge"]
        elif tag == "resource.k8s.cluster.name":
            found = ["edge-1"]
        elif tag == "resource.cluster":
            found = ["hub"]
        else:
            found = []
        return json_of({"tagValues": [{"type": "string", "value": value} for value in found]})


class TempoGateway(Tempo):
    """A TempoStack gateway with query RBAC: only some calls pass."""

    def answer(self, path: str, query: dict[str, str]) -> httpx2.Response:
        passes = (
            path == "/api/search"
            or path.startswith(("/api/traces/", "/api/v2/traces/"))
            or path == "/api/v2/search/tag/resource.service.name/values"
        )
        if not passes:
            error = {"status": "error", "errorType": "observatorium-api", "error": "forbidden"}
            return json_of(error, 403)
        if path == "/api/search" and query.get("spss", "1") != "1":
            names = ["charge", "charge"] if '= "payment"' in query["q"] else []
            spans = [{"spanID": "00f067aa0ba902b7", "name": name} for name in names]
            return json_of({"traces": [{**tempo_hits(False)[0], "spanSets": [{"spans": spans}]}]})
        return super().answer(path, query)


class JaegerV3:
    """Jaeger 2: v3 only; its web page answers every path it does not know."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path, query = request.url.path, query_of(request)
        self.asked.append((path, query))
        if path == "/api/v3/services":
            return json_of({"services": ["payment", "checkout", "card-db"]})
        if path == "/api/v3/operations":
            names = {"payment": ["charge"]}.get(query["service"], [])
            return json_of({"operations": [{"name": name, "spanKind": "client"} for name in names]})
        if path == "/api/v3/traces":
            return self.search(query)
        if path.startswith("/api/v3/traces/"):
            return self.trace(path.rpartition("/")[2])
        if path.startswith("/api/"):
            return json_of({"data": None, "errors": [{"code": 404, "msg": "not found"}]}, 404)
        return httpx2.Response(200, html="<!doctype html><title>Jaeger UI</title>")

    def search(self, query: dict[str, str]) -> httpx2.Response:
        if "query.startTimeMin" not in query or "query.serviceName" not in query:
            return json_of({"error": {"httpCode": 400, "message": "malformed parameter"}}, 400)
        tags = json.loads(query.get("query.attributes", "{}"))
        services = {span[3] for span in SPANS}
        if query["query.serviceName"] not in services or set(tags) - {"error", "http.status_code"}:
            return json_of({"error": {"httpCode": 404, "message": "No traces found"}}, 404)
        return json_of({"result": {"resourceSpans": resource_spans()}})

    def trace(self, trace_id: str) -> httpx2.Response:
        if trace_id not in (SLOW, SHORT):
            return json_of({"error": {"httpCode": 404, "message": "trace not found"}}, 404)
        return json_of({"result": {"resourceSpans": resource_spans(trace_id)}})


class JaegerV1:
    """Jaeger before 2: v1, microseconds."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path, query = request.url.path, query_of(request)
        self.asked.append((path, query))
        if path == "/api/services":
            return self.envelope(["payment", "checkout", "card-db"])
        if path.startswith("/api/services/"):
            return self.envelope(["charge"] if path.split("/")[3] == "payment" else [])
        if path == "/api/traces":
            known = query.get("service") in {span[3] for span in SPANS}
            return self.envelope([self.trace(SLOW)] if known else [])
        if path.startswith("/api/traces/"):
            trace_id = path.rpartition("/")[2]
            if trace_id in (SLOW, SHORT):
                return self.envelope([self.trace(trace_id)])
            return json_of({"data": None, "errors": [{"code": 404, "msg": "trace not found"}]}, 404)
        return httpx2.Response(200, html="<!doctype html><title>Jaeger UI</title>")

    @staticmethod
    def envelope(data: object) -> httpx2.Response:
        return json_of({"data": data, "total": 0, "limit": 0, "offset": 0, "errors": None})

    @staticmethod
    def trace(trace_id: str) -> dict:
        spans, processes = [], {}
        for span_id, parent, name, service, kind, start, duration, failed, tags in SPANS:
            short = trace_id.lstrip("0")
            shown = [
                {
                    "key": key,
                    "type": "int64" if isinstance(value, int) else "string",
                    "value": value,
                }
                for key, value in tags.items()
            ]
            shown.append({"key": "span.kind", "type": "string", "value": kind.lower()})
            logs = []
            if failed:
                shown.append({"key": "error", "type": "bool", "value": True})
                description = "otel.status_description"
                shown.append({"key": description, "type": "string", "value": "card declined"})
                fields = [
                    {"key": "event", "type": "string", "value": "exception"},
                    {"key": "exception.type", "type": "string", "value": "CardError"},
                    {"key": "exception.message", "type": "string", "value": "no funds"},
                ]
                logs = [{"timestamp": (START_NS + start) // 1000, "fields": fields}]
            above = {"refType": "CHILD_OF", "traceID": short, "spanID": parent}
            spans.append(
                {
                    "traceID": short,
                    "spanID": span_id,
                    "operationName": name,
                    "references": [above] if parent else [],
                    "startTime": (START_NS + start) // 1000,
                    "duration": duration // 1000,
                    "tags": shown,
                    "logs": logs,
                    "processID": f"p-{service}",
                    "warnings": None,
                }
            )
            pod = {"key": "k8s.pod.name", "type": "string", "value": f"{service}-0"}
            processes[f"p-{service}"] = {"serviceName": service, "tags": [pod]}
        return {"traceID": trace_id.lstrip("0"), "spans": spans, "processes": processes}
