"""Credentials from a kubeconfig's exec plugin, such as aws or gke-gcloud-auth-plugin.

Protocol: client.authentication.k8s.io ``ExecCredential``; the ``kubernetes`` package prepares the
call and is imported only here. A plugin never gets our standard input (it may be an MCP client's)
and may not hang.
"""

import asyncio
import functools
import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiops_mcp.backends.wire import excerpt
from aiops_mcp.errors import InvalidCredentials

RUN_SECONDS = 30.0
MOST_BYTES = 1024 * 1024
_EARLY = timedelta(seconds=60)
_WITHOUT_EXPIRY = timedelta(minutes=10)

Status = dict[str, Any]


class ExecBearer:
    """Gives the plugin's token, and runs the plugin again shortly before that expires."""

    def __init__(
        self,
        plugin: dict[str, Any],
        cluster: dict[str, Any],
        folder: Path | None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._run = functools.partial(_run_plugin, plugin, cluster, folder)
        self._now = now
        self._lock = asyncio.Lock()
        self._status: Status = {}
        self._renew_at: datetime | None = None

    async def __call__(self) -> str | None:
        return (await self._current()).get("token")

    def forget(self) -> None:
        """Run the plugin at the next call, whatever its last answer said of its expiry."""
        self._renew_at = None

    async def certificate(self) -> tuple[str, str] | None:
        """Certificate and key as PEM, where the plugin gives these."""
        status = await self._current()
        cert, key = status.get("clientCertificateData"), status.get("clientKeyData")
        return (str(cert), str(key)) if cert and key else None

    async def _current(self) -> Status:
        if not self._is_due():
            return self._status
        async with self._lock:
            if self._is_due():
                status = await asyncio.to_thread(self._run)
                self._status, self._renew_at = status, self._next(status)
        return self._status

    def _is_due(self) -> bool:
        return self._renew_at is None or self._now() >= self._renew_at

    def _next(self, status: Status) -> datetime:
        expires = status.get("expirationTimestamp")
        if not isinstance(expires, str):
            return self._now() + _WITHOUT_EXPIRY
        return datetime.fromisoformat(expires) - _EARLY


def _run_plugin(plugin: dict[str, Any], cluster: dict[str, Any], folder: Path | None) -> Status:
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.exec_provider import ExecProvider
    from kubernetes.config.kube_config import ConfigNode

    try:
        provider = ExecProvider(
            ConfigNode("exec", plugin),
            str(folder) if folder else None,
            ConfigNode("cluster", cluster),
        )
    except (ConfigException, KeyError, TypeError) as error:
        raise InvalidCredentials(
            "The kubeconfig's exec section is incomplete.", "It needs command and apiVersion."
        ) from error
    untyped: Any = provider  # the package ships no types
    arguments = [str(part) for part in untyped.args]
    info = json.dumps(_exec_info(plugin, cluster))
    output = _output(arguments, {**untyped.env, "KUBERNETES_EXEC_INFO": info}, folder)
    return _status_of(plugin, output)


def _exec_info(plugin: dict[str, Any], cluster: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {key: value for key, value in cluster.items() if key != "extensions"}
        extensions: list[dict[str, Any]] = cluster.get("extensions") or []
        for extension in extensions:
            if extension.get("name") == "client.authentication.k8s.io/exec":
                spec["cluster"]["config"] = extension.get("extension")
    return {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": spec}


def _output(arguments: list[str], environment: dict[str, str], folder: Path | None) -> bytes:
    program = arguments[0]
    try:
        status, output, errors = _run(arguments, environment, folder)
    except _TooMuchOutput as error:
        raise InvalidCredentials(
            f"The kubeconfig's exec plugin {program} printed more than {MOST_BYTES} bytes.",
            "It is to print one ExecCredential: run it by hand.",
        ) from error
    except FileNotFoundError as error:
        raise InvalidCredentials(
            f"The kubeconfig's exec plugin {program} is not installed here.",
            "Install it, or store a kubeconfig with a token.",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidCredentials(
            f"The kubeconfig's exec plugin {program} cannot be run, or did not end within "
            f"{RUN_SECONDS:g} s.",
            "Run kubectl get nodes with it: it may wait for you to log in.",
        ) from error
    if status != 0:
        said = excerpt(errors.decode("utf-8", "replace"))
        raise InvalidCredentials(
            f"The kubeconfig's exec plugin {program} ended with {status}: {said}",
            "Run kubectl get nodes with it: it may want you to log in anew.",
        )
    return output


class _TooMuchOutput(Exception):
    pass


def _run(
    arguments: list[str], environment: dict[str, str], folder: Path | None
) -> tuple[int, bytes, bytes]:
    """Status, output and errors; the program is ended when it takes too long or says too much."""
    ends = time.monotonic() + RUN_SECONDS
    with subprocess.Popen(  # noqa: S603 (what the user's own kubeconfig names)
        arguments,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            output, errors = _read(process, ends)
            return process.wait(max(0.0, ends - time.monotonic())), output, errors
        finally:
            process.kill()  # nothing, where it has ended


def _read(process: "subprocess.Popen[bytes]", ends: float) -> tuple[bytes, bytes]:
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    kept = {stream.fileno(): bytearray() for stream in streams}
    with selectors.DefaultSelector() as waiting:
        for number in kept:
            waiting.register(number, selectors.EVENT_READ)
        while waiting.get_map():
            left = ends - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, RUN_SECONDS)
            for key, _ in waiting.select(left):
                chunk = os.read(key.fd, 65536)
                kept[key.fd] += chunk
                if not chunk:
                    waiting.unregister(key.fd)
                if len(kept[key.fd]) > MOST_BYTES:
                    raise _TooMuchOutput
    output, errors = kept.values()
    return bytes(output), bytes(errors)


def _status_of(plugin: dict[str, Any], output: bytes) -> Status:
    try:
        credential: Any = json.loads(output)
        status: Status = credential["status"]
        is_right = credential["apiVersion"] == plugin["apiVersion"] and bool(
            status.get("token") or status.get("clientCertificateData")
        )
        if status.get("expirationTimestamp"):
            datetime.fromisoformat(status["expirationTimestamp"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(plugin) from error
    if not is_right:
        raise _unusable(plugin)
    return status


def _unusable(plugin: dict[str, Any]) -> InvalidCredentials:
    return InvalidCredentials(
        f"The kubeconfig's exec plugin {plugin['command']} printed no usable ExecCredential.",
        f"It must print one of {plugin['apiVersion']} with a token or a certificate.",
    )
