"""Run a command in a container over a WebSocket, and tell its streams and exit code apart.

Wire format: kubernetes ``remotecommand/constants.go`` and ``websocket.go``: protocols
v5.channel.k8s.io and v4.channel.k8s.io; byte 0 of a binary frame is the channel.
"""

import asyncio
import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import wsproto.events
from httpx2.websockets import (
    AsyncWebSocketSession,
    HTTPXWSException,
    WebSocketDisconnect,
    WebSocketUpgradeError,
)

from aiops_mcp.backends import faults
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes_paths import segment
from aiops_mcp.backends.kubernetes_status import kubernetes_refusal, status_refusal
from aiops_mcp.backends.wire import Answer
from aiops_mcp.errors import (
    AiopsError,
    BackendMisbehaved,
    BackendRefused,
    ClusterUnreachable,
    QueryTimeout,
)

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_FRAME_BYTES = 1024 * 1024
_PING_SECONDS = 5.0  # as client-go
_MALFORMED = frozenset({1002, 1007, 1009})  # RFC 6455: protocol error, bad data, too big
_PONG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command wrote, and its exit code (0: success)."""

    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(slots=True)
class ExecOutput:
    """Frames put together. Pure; `add` says when the status has come and it is complete."""

    max_bytes: int
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    status: bytearray = field(default_factory=bytearray)

    def add(self, frame: bytes) -> None:
        """Take one frame in; empty ones and unknown channels mean nothing.

        Raises:
            OverflowError: more than ``max_bytes`` in all.
        """
        if len(frame) < 2:
            return  # the kubelet sends one empty frame first
        streams = {_STDOUT: self.stdout, _STDERR: self.stderr, _STATUS: self.status}
        stream = streams.get(frame[0])
        if stream is None:
            return
        stream += frame[1:]
        if len(self.stdout) + len(self.stderr) + len(self.status) > self.max_bytes:
            raise OverflowError(self.max_bytes)

    def exit_code(self) -> int | None:
        """The exit code, or None when the command did not run to an end of its own.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: the status cannot be read.
        """
        status: dict[str, Any] = orjson.loads(self.status)
        if status.get("status") == "Success":
            return 0
        if status.get("reason") != "NonZeroExitCode":
            return None
        causes: list[dict[str, Any]] = status["details"]["causes"]
        for cause in causes:
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
        raise ValueError("no exit code")


async def run_in_container(
    http: HttpClient,
    namespace: str,
    pod: str,
    container: str | None,
    command: Sequence[str],
    *,
    timeout: float,
    max_bytes: int,
) -> ExecResult:
    """Run a command without stdin, and wait for its end at most ``timeout`` seconds.

    ``container`` None means the pod's default one. Output is bytes, so that nothing breaks where
    frames cut a character in two. Nothing is ever repeated.

    Raises:
        QueryTimeout: it did not end in time; it may go on in the container.
        BackendRefused: the command cannot be started (no such file, no running container).
        BackendMisbehaved: it wrote more than ``max_bytes``, or the server broke the protocol.
        ClusterUnreachable: the connection broke before the exit code came.
    """
    path = f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}/exec"
    params = [
        *(("command", part) for part in command),
        *([("container", container)] if container else []),
        ("stdout", "true"),
        ("stderr", "true"),
    ]
    output = ExecOutput(max_bytes)
    fault: AiopsError | None = None
    try:
        async with asyncio.timeout(timeout):
            fault = await _converse(http, path, params, output, timeout)
    except TimeoutError as error:
        raise QueryTimeout(
            f"{http.target}: {command[0]} in pod {namespace}/{pod} ran longer than {timeout:g} s.",
            "Raise the timeout, or run something shorter.",
            details=faults.details_of(http.target),
        ) from error
    if output.status:
        return _result(http.target, output)
    raise fault or ClusterUnreachable(
        f"{http.target}: the connection to pod {namespace}/{pod} ended without an exit code.",
        "The container or its node may have gone; look at the pod and try again.",
        details=faults.details_of(http.target),
    )


async def _converse(
    http: HttpClient,
    path: str,
    params: list[tuple[str, str]],
    output: ExecOutput,
    timeout: float,
) -> AiopsError | None:
    """Fill ``output``; the fault is returned, as a session wraps what is raised inside it."""
    try:
        async with http.upgrade(
            path, params, _handshake(), timeout=timeout, read_error=kubernetes_refusal
        ) as response:
            if response.headers.get("sec-websocket-protocol", "").strip() not in PROTOCOLS:
                return _broken(http.target, "it speaks neither v5 nor v4 of the exec protocol")
            session = AsyncWebSocketSession(
                response.extensions["network_stream"],
                max_message_size_bytes=_FRAME_BYTES,
                keepalive_ping_interval_seconds=_PING_SECONDS,
                keepalive_ping_timeout_seconds=_PONG_SECONDS,
                response=response,
            )
            async with session:
                return await _receive(session, http.target, output)
    except WebSocketUpgradeError as error:  # in process, a refusal comes as this
        refused = error.response
        answer = Answer(refused.status_code, dict(refused.headers), refused.content)
        raise faults.refused(http.target, answer, kubernetes_refusal(answer)) from error
    except HTTPXWSException as error:
        raise ClusterUnreachable(
            f"{http.target}: the WebSocket was closed before it was open.",
            "The API server or a proxy in between may not pass WebSockets.",
            details=faults.details_of(http.target),
        ) from error


async def _receive(
    session: AsyncWebSocketSession, target: Target, output: ExecOutput
) -> AiopsError | None:
    while True:
        try:
            event = await session.receive()
        except HTTPXWSException as closed:
            if isinstance(closed, WebSocketDisconnect) and closed.code in _MALFORMED:
                return _broken(target, "its frames are malformed or too large")
            return None  # complete when the status has come
        try:
            if isinstance(event, wsproto.events.BytesMessage):
                output.add(bytes(event.data))
        except OverflowError:
            return BackendMisbehaved(
                f"{target}: the command wrote more than {output.max_bytes:,} bytes; cut off.",
                "Let it write less.",
                details=faults.details_of(target),
            )


def _result(target: Target, output: ExecOutput) -> ExecResult:
    try:
        code = output.exit_code()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(target, "its status cannot be read") from error
    if code is None:
        refusal = status_refusal(orjson.loads(output.status))
        raise BackendRefused(
            f"{target}: the command could not be run: {refusal.reason}",
            "Check that the container runs and has this program.",
            http_status=500,
            details=faults.details_of(target, **refusal.details),
        )
    return ExecResult(bytes(output.stdout), bytes(output.stderr), code)


def _broken(target: Target, what: str) -> BackendMisbehaved:
    return BackendMisbehaved(
        f"{target}: broke the exec protocol: {what}.",
        "A proxy in between may not pass WebSockets; use the API server's own URL.",
        details=faults.details_of(target),
    )


def _handshake() -> dict[str, str]:
    """Source: RFC 6455, section 4.1."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": ", ".join(PROTOCOLS),
    }
