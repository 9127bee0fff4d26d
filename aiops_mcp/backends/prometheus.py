"""Client of the Prometheus HTTP API, as Prometheus, Thanos and VictoriaMetrics speak it.

Reads only; never calls ``/-/reload``, ``/-/quit`` or ``/admin``. What the JSON means is in
`prometheus_answers`; cost, cache and the fleet are not known here.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from aiops_mcp.backends.call import Params
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.prometheus_answers import (
    LARGE,
    MalformedAnswer,
    PrometheusAnswer,
    RuleAlert,
    RuleGroup,
    ScrapeTarget,
    parse_label_sets,
    parse_metadata,
    parse_names,
    parse_object,
    parse_query,
    parse_rule_alerts,
    parse_rules,
    parse_targets,
    prometheus_refusal,
)
from aiops_mcp.backends.wire import Answer
from aiops_mcp.errors import BackendMisbehaved, BackendRefused
from aiops_mcp.models.metrics import MetricMetadata

Moment = float | datetime
"""Unix seconds, or a datetime with its zone."""

_T = TypeVar("_T")
_LEGACY_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LONGEST_GET = 6000  # characters of a query string that every server takes


class PrometheusClient:
    """Every method raises the errors of `HttpClient.request`; times are `Moment`, rest seconds."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http
        self._posts = True

    async def query(
        self,
        promql: str,
        *,
        time: Moment | None = None,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> PrometheusAnswer:
        """An instant query; without ``time`` at the server's now.

        Raises:
            BackendRefused: details' ``error_type`` is Prometheus's (``bad_data``, ``execution``).
            QueryTimeout: it took too long, here or there.
        """
        form = [("query", promql), *_moment("time", time), *_number("limit", limit)]
        return await self._query("/api/v1/query", form, timeout)

    async def query_range(
        self,
        promql: str,
        *,
        start: Moment,
        end: Moment,
        step: float,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> PrometheusAnswer:
        """A range query, ``end`` included; Prometheus refuses more than 11,000 points a series."""
        form = [
            ("query", promql),
            *_moment("start", start),
            *_moment("end", end),
            ("step", _decimal(step)),
            *_number("limit", limit),
        ]
        return await self._query("/api/v1/query_range", form, timeout)

    async def labels(
        self,
        match: Sequence[str] = (),
        start: Moment | None = None,
        end: Moment | None = None,
        limit: int | None = None,
    ) -> tuple[str, ...]:
        """Label names of the series that ``match`` selects, sorted."""
        answer = await self._form("/api/v1/labels", _selection(match, start, end, limit))
        return self._read(parse_names, answer)[:limit]

    async def label_values(
        self,
        name: str,
        match: Sequence[str] = (),
        start: Moment | None = None,
        end: Moment | None = None,
        limit: int | None = None,
    ) -> tuple[str, ...]:
        path = f"/api/v1/label/{quote(escaped_label(name), safe='')}/values"
        answer = await self._get(path, _selection(match, start, end, limit))
        return self._read(parse_names, answer)[:limit]

    async def series(
        self,
        match: Sequence[str],
        start: Moment | None = None,
        end: Moment | None = None,
        limit: int | None = None,
    ) -> tuple[dict[str, str], ...]:
        """Label sets; at least one selector is required."""
        answer = await self._form("/api/v1/series", _selection(match, start, end, limit))
        return self._read(parse_label_sets, answer)[:limit]

    async def metadata(
        self, metric: str | None = None, limit: int | None = None
    ) -> dict[str, MetricMetadata]:
        """Type, help and unit by metric name."""
        params = [*([("metric", metric)] if metric else []), *_number("limit", limit)]
        return self._read(parse_metadata, await self._get("/api/v1/metadata", params))

    async def rules(self) -> tuple[RuleGroup, ...]:
        return self._read(parse_rules, await self._get("/api/v1/rules"))

    async def targets(self) -> tuple[ScrapeTarget, ...]:
        """The active targets."""
        answer = await self._get("/api/v1/targets", [("state", "active")])
        return self._read(parse_targets, answer)

    async def alerts(self) -> tuple[RuleAlert, ...]:
        """Alerts of the rule engine, pending ones included; nothing of silences is known."""
        return self._read(parse_rule_alerts, await self._get("/api/v1/alerts"))

    async def buildinfo(self) -> dict[str, Any]:
        """``version``, ``revision``, …; VictoriaMetrics may answer an empty object."""
        return self._read(parse_object, await self._get("/api/v1/status/buildinfo"))

    async def tsdb_status(self) -> dict[str, Any]:
        """Cardinality statistics; its times are in milliseconds. Thanos has none (404)."""
        return self._read(parse_object, await self._get("/api/v1/status/tsdb"))

    async def is_thanos(self) -> bool:
        """Whether a Thanos querier answers here: only it has ``/api/v1/stores``."""
        try:
            answer = await self._get("/api/v1/stores")
        except (BackendRefused, BackendMisbehaved):
            return False
        try:
            return isinstance(orjson.loads(answer.body)["data"], dict)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return False

    async def healthy(self) -> None:
        """Returns when the server answers queries; else raises why not.

        ``/-/ready`` stands outside ``/api``, which routes and tenancy ports do not expose: there a
        query of a constant decides, and also where a login page answers to everything.
        """
        try:
            answer = await self.http.request("GET", "/-/ready", read_error=prometheus_refusal)
        except (BackendRefused, BackendMisbehaved):
            answer = None
        if answer is None or b"ready" not in answer.body.lower():
            await self.query("vector(1)")

    async def aclose(self) -> None:
        await self.http.aclose()

    async def _query(
        self, path: str, form: list[tuple[str, str]], timeout: float | None
    ) -> PrometheusAnswer:
        seconds = self.http.timeout if timeout is None else timeout
        answer = await self._form(path, [*form, ("timeout", _decimal(seconds))], timeout)
        try:
            if len(answer.body) < LARGE:
                return parse_query(answer.body)
            return await asyncio.to_thread(parse_query, answer.body)
        except orjson.JSONDecodeError:
            self.http.parsed(answer)  # raises the error that says what came instead
            raise
        except MalformedAnswer as error:
            raise self._foreign(answer) from error

    async def _form(
        self, path: str, form: list[tuple[str, str]], timeout: float | None = None
    ) -> Answer:
        """POST, as a query may be longer than a URL; GET where POST is not allowed.

        A Kubernetes service proxy asks for the right to `create` for a POST, and to `get` for a
        GET: a reader has only that one.
        """
        if self._posts:
            try:
                return await self.http.post_form(
                    path, form, timeout=timeout, read_error=prometheus_refusal
                )
            except BackendRefused as error:
                if error.http_status not in {403, 405} or not _fits_url(form):
                    raise
            answer = await self._get(path, form, timeout)
            self._posts = False
            return answer
        return await self._get(path, form, timeout)

    async def _get(self, path: str, params: Params = (), timeout: float | None = None) -> Answer:
        return await self.http.request(
            "GET", path, params, timeout=timeout, read_error=prometheus_refusal
        )

    def _read(self, read: Callable[[Any], _T], answer: Answer) -> _T:
        try:
            return read(self.http.parsed(answer))
        except MalformedAnswer as error:
            raise self._foreign(answer) from error

    def _foreign(self, answer: Answer) -> BackendMisbehaved:
        target = self.http.target
        return BackendMisbehaved(
            f"{target}: JSON that is not Prometheus's ({len(answer.body)} bytes).",
            "Check that the URL is that of a Prometheus API (without /api/v1).",
            details={"backend": target.name, "cluster": target.cluster},
        )


def escaped_label(name: str) -> str:
    """A label name for use in a path: UTF-8 names are written ``U__my_2e_label``.

    Source: prometheus/common ``model.EscapeName`` with ValueEncodingEscaping.
    """
    if _LEGACY_NAME.fullmatch(name):
        return name
    return "U__" + "".join(
        "__"
        if c == "_"
        else c
        if _LEGACY_NAME.fullmatch(f"a{c}" if place else c)
        else f"_{ord(c):x}_"
        for place, c in enumerate(name)
    )


def _fits_url(form: list[tuple[str, str]]) -> bool:
    return sum(len(quote(value)) + len(key) + 2 for key, value in form) < _LONGEST_GET


def _selection(
    match: Sequence[str], start: Moment | None, end: Moment | None, limit: int | None
) -> list[tuple[str, str]]:
    return [
        *(("match[]", selector) for selector in match),
        *_moment("start", start),
        *_moment("end", end),
        *_number("limit", limit),
    ]


def _moment(key: str, moment: Moment | None) -> list[tuple[str, str]]:
    if moment is None:
        return []
    seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    return [(key, _decimal(seconds))]


def _number(key: str, number: int | None) -> list[tuple[str, str]]:
    return [] if number is None else [(key, str(number))]


def _decimal(number: float) -> str:
    """A number without an exponent, to the millisecond: what every server can read."""
    return f"{number:.3f}".rstrip("0").rstrip(".")
