"""Loki and Tempo as far as they are simulated: they are there and ready.

They hold no logs and no traces: every other path is one they do not know.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


async def _ready(_request: Request) -> Response:
    return PlainTextResponse("ready\n")


def readiness_app() -> Starlette:
    """``/ready`` as Loki and Tempo answer it once they have started."""
    return Starlette(routes=[Route("/ready", _ready)])
