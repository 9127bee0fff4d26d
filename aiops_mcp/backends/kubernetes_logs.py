"""Follow the log of a container as it is written.

Wire format: kubernetes.io "API concepts", the ``log`` subresource with ``follow``.
"""

from collections.abc import AsyncGenerator
from datetime import datetime

from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.kubernetes_paths import segment
from aiops_mcp.backends.kubernetes_status import kubernetes_refusal

IDLE_SECONDS = 600.0
"""A container may write nothing for long; a connection that died says nothing either."""


def follow_pod_log(
    http: HttpClient,
    namespace: str,
    pod: str,
    container: str,
    *,
    since: datetime,
    tail_lines: int | None = None,
) -> AsyncGenerator[bytes]:
    """Lines with their times in front, from ``since`` (to the second) on; ends with the container.

    Raises:
        BackendError: as `HttpClient.stream_lines`; QueryTimeout after ten minutes of silence.
    """
    params = [
        ("container", container),
        ("follow", "true"),
        ("timestamps", "true"),
        ("sinceTime", since.isoformat(timespec="seconds")),
        *([("tailLines", str(tail_lines))] if tail_lines is not None else []),
    ]
    return http.stream_lines(
        f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod)}/log",
        params,
        idle_seconds=IDLE_SECONDS,
        accept="*/*",
        read_error=kubernetes_refusal,
    )
