"""The reference at ``/docs`` and ``/redoc``: one page of our own that asks no other server.

It draws ``/openapi.json`` in the browser. Script and style are files of their own, so that the
content policy can forbid everything else.
"""

from importlib.resources import files
from string import Template

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aiops_mcp.surfaces.page import open_page

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_FOLDER = files("aiops_mcp.surfaces").joinpath("assets")


def docs_routes() -> list[Route]:
    """``/docs`` to read and try, ``/redoc`` to read, and the script and style of both."""
    page = Template(_FOLDER.joinpath("docs.html").read_text("utf-8"))
    script = _FOLDER.joinpath("docs.js").read_text("utf-8")
    style = _FOLDER.joinpath("docs.css").read_text("utf-8")
    return [
        _file("/docs", page.substitute(MODE="try"), "text/html"),
        _file("/redoc", page.substitute(MODE="read"), "text/html"),
        _file("/docs/assets/docs.js", script, "text/javascript"),
        _file("/docs/assets/docs.css", style, "text/css"),
    ]


def _file(path: str, content: str, kind: str) -> Route:
    async def respond(_request: Request) -> Response:
        return Response(content, media_type=kind, headers=_HEADERS)

    return open_page(path, respond)
