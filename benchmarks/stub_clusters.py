"""Many clusters in one small process: API server, Prometheus, Alertmanager; loopback, TLS.

    python benchmarks/stub_clusters.py PORT [HANGING…]

Every address of 127.0.0.0/8 is a cluster of its own on the same port; those named never answer.
Each look at ``/readyz`` is noted with its time, and ``GET /noted`` gives them all as JSON. Written
on bare asyncio so that it costs little beside what is measured.
"""

import asyncio
import sys
import time

import orjson

from aiops_mcp.simulation.certificate import serving_certificate

SERIES = 50
_QUERY = orjson.dumps(
    {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {
                    "metric": {
                        "__name__": "up",
                        "namespace": f"namespace-{number % 7}",
                        "pod": f"checkout-{number}-7d9f8b6c5-x{number}",
                        "instance": f"10.0.0.{number}:9100",
                    },
                    "value": [1772323200.123, str(number * 1.25)],
                }
                for number in range(SERIES)
            ],
        },
    }
)
_FIXED = {
    b"/readyz": b"ok",
    b"/-/ready": b"ready",
    b"/version": orjson.dumps({"major": "1", "minor": "31", "gitVersion": "v1.31.2"}),
    b"/api/v1/query": _QUERY,
    b"/api/v2/alerts": b"[]",
}
_EMPTY_LIST = orjson.dumps({"kind": "List", "metadata": {}, "items": []})


def _answer(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % len(body)
    ) + body


_READY = {path: _answer(body) for path, body in _FIXED.items()}
_LIST = _answer(_EMPTY_LIST)


class Stub(asyncio.Protocol):
    """One connection; its local address says which cluster is meant."""

    def __init__(self, noted: dict[str, list[float]], hanging: frozenset[str]) -> None:
        self._noted = noted
        self._hanging = hanging
        self._held = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._cluster = transport.get_extra_info("sockname")[0]

    def data_received(self, data: bytes) -> None:
        self._held += data
        while b"\r\n\r\n" in self._held:
            head, _, rest = self._held.partition(b"\r\n\r\n")
            _, _, length = head.lower().partition(b"content-length:")
            size = int(length.split(b"\r\n")[0]) if length else 0
            if len(rest) < size:
                return
            self._held = rest[size:]
            self._reply(head.split(b" ", 2)[1].partition(b"?")[0])

    def _reply(self, path: bytes) -> None:
        if path == b"/noted":
            self._transport.write(_answer(orjson.dumps(self._noted)))
            return
        if path == b"/readyz":
            self._noted.setdefault(self._cluster, []).append(time.time())
        if self._cluster not in self._hanging:
            self._transport.write(_READY.get(path, _LIST))


async def serve(port: int, hanging: frozenset[str]) -> None:
    noted: dict[str, list[float]] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Stub(noted, hanging),
        "0.0.0.0",
        port,
        backlog=1024,
        ssl=serving_certificate("127.0.0.1").context,
    )
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), frozenset(sys.argv[2:])))
