"""Which tenants a Loki has, and how its URL says so. Pure.

A LokiStack gateway has ``/api/logs/v1/<tenant>`` in its URL: application, infrastructure, audit,
or network. A plain Loki takes the tenant in a header; its URL may end with ``?tenant=a`` or
``?tenant=a|b``, else a setting holds for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit, urlunsplit

from aiops_mcp.errors import InputError

GATEWAY_PATH = "/api/logs/v1"
TENANT_HEADER = "X-Scope-OrgID"
_LOGGING = ("application", "infrastructure", "audit")
_BY_DEFAULT = ("application", "infrastructure")


@dataclass(frozen=True, slots=True)
class Tenancy:
    """``base_url`` without tenant; ``known`` are the tenants there are, ``default`` those asked.

    No ``known`` means a Loki without tenants.
    """

    base_url: str
    is_gateway: bool = False
    known: tuple[str, ...] = ()
    default: tuple[str, ...] = ()

    def chosen(self, tenant: str | None) -> tuple[str | None, ...]:
        """The tenants to ask, each apart; ``(None,)`` where there are none.

        Raises:
            InputError: there is no such tenant here.
        """
        if tenant is None:
            return self.default or (None,)
        if tenant in self.known:
            return (tenant,)
        names = ", ".join(self.known) or "none"
        raise InputError(
            f"There is no tenant {tenant!r} in this Loki.",
            f"Its tenants: {names}. Leave tenant out to ask the usual ones.",
            details={"field": "tenant"},
        )

    def path(self, tenant: str | None) -> str:
        """What stands before ``/loki/api/v1`` for this tenant."""
        return f"/{tenant}" if self.is_gateway and tenant else ""

    def headers(self, tenant: str | None) -> Mapping[str, str]:
        return {} if self.is_gateway or tenant is None else {TENANT_HEADER: tenant}


def tenancy(url: str, fallback: str | None = None) -> Tenancy:
    """What a Loki's URL says; ``fallback`` is the tenant of plain ones that name none."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/loki/api/v1")
    before, marker, tenant = path.rpartition(GATEWAY_PATH)
    if marker and tenant.count("/") <= 1:
        base = urlunsplit((parts.scheme, parts.netloc, before + GATEWAY_PATH, "", ""))
        return _gateway(base, tenant.strip("/"))
    base = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    named = parse_qs(parts.query).get("tenant", [fallback or ""])[0]
    tenants = tuple(name for name in named.split("|") if name)
    return Tenancy(base, known=tenants, default=tenants)


def _gateway(base: str, tenant: str) -> Tenancy:
    # Discovery names application; the infrastructure's logs belong to a whole picture too.
    if tenant in {"", "application"}:
        return Tenancy(base, is_gateway=True, known=_LOGGING, default=_BY_DEFAULT)
    known = _LOGGING if tenant in _LOGGING else (tenant,)
    return Tenancy(base, is_gateway=True, known=known, default=(tenant,))
