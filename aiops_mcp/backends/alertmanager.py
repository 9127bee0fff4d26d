"""Client of the Alertmanager API v2; makes and ends silences.

Source: prometheus/alertmanager ``api/v2/openapi.yaml``, 0.22 to 0.34.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from aiops_mcp.backends import faults
from aiops_mcp.backends.alertmanager_answers import (
    AlertmanagerAlert,
    AlertmanagerStatus,
    NewSilence,
    Silence,
    parse_alerts,
    parse_silence_id,
    parse_silences,
    parse_status,
)
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.errors import BackendMisbehaved, BackendRefused

_T = TypeVar("_T")


class AlertmanagerClient:
    """Every method raises the errors of `HttpClient.request`."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    async def alerts(
        self,
        *,
        active: bool = True,
        silenced: bool = True,
        inhibited: bool = True,
        unprocessed: bool = True,
        filter: Sequence[str] = (),  # noqa: A002 (Alertmanager's own name of the parameter)
        receiver: str | None = None,
    ) -> list[AlertmanagerAlert]:
        """The alerts it holds now; ``filter`` are matchers such as ``severity=~"crit.*"``."""
        flags = {
            "active": active,
            "silenced": silenced,
            "inhibited": inhibited,
            "unprocessed": unprocessed,
        }
        params = [
            *((name, "true" if flag else "false") for name, flag in flags.items()),
            *(("filter", matcher) for matcher in filter),
            *([("receiver", receiver)] if receiver else []),
        ]
        payload = await self.http.get_json("/api/v2/alerts", params)
        return self._read(parse_alerts, payload)

    async def silences(self, *, filter: Sequence[str] = ()) -> list[Silence]:  # noqa: A002 (as above)
        payload = await self.http.get_json(
            "/api/v2/silences", [("filter", matcher) for matcher in filter]
        )
        return self._read(parse_silences, payload)

    async def create_silence(self, silence: NewSilence) -> str:
        """Make a silence; its id. Sent once: a second one would be another silence."""
        body = {
            "matchers": [
                {
                    "name": matcher.name,
                    "value": matcher.value,
                    "isRegex": matcher.is_regex,
                    "isEqual": matcher.is_equal,
                }
                for matcher in silence.matchers
            ],
            "startsAt": silence.starts_at.isoformat(),
            "endsAt": silence.ends_at.isoformat(),
            "createdBy": silence.created_by,
            "comment": silence.comment,
        }
        answer = await self.http.request(
            "POST", "/api/v2/silences", content=orjson.dumps(body), repeatable=False
        )
        return self._read(parse_silence_id, self.http.parsed(answer))

    async def expire_silence(self, silence_id: str) -> None:
        """End a silence now.

        Raises:
            BackendRefused: there is none of this id (404), or it has ended already.
        """
        path = f"/api/v2/silence/{quote(silence_id, safe='')}"
        await self.http.request("DELETE", path, repeatable=False)

    async def status(self) -> AlertmanagerStatus:
        return self._read(parse_status, await self.http.get_json("/api/v2/status"))

    async def healthy(self) -> None:
        """Returns when it answers; else raises why not. Routes expose only ``/api``."""
        try:
            await self.http.request("GET", "/-/ready")
        except (BackendRefused, BackendMisbehaved):
            await self.status()

    async def aclose(self) -> None:
        await self.http.aclose()

    def _read(self, read: Callable[[Any], _T], payload: Any) -> _T:
        try:
            return read(payload)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise faults.foreign(
                self.http.target,
                "JSON that is not Alertmanager's API v2",
                "Check that the URL is that of an Alertmanager 0.22 or newer (without /api/v2).",
            ) from error
