"""Who is asking: nobody in particular on loopback, or the holder of an API token.

Every way in asks the same authenticator. Tokens are compared in constant time and stand in no
message, log line or repr. What a caller may do is the principal's business, not this module's.
"""

import ipaddress
from hashlib import sha256
from hmac import compare_digest
from typing import Protocol

from aiops_mcp.errors import InputError
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.settings import Settings

_FORM = "Write role=token or role@cluster1+cluster2=token, with role admin, operator or viewer."


class Authenticator(Protocol):
    """Turns what a caller presents into who the caller is."""

    @property
    def required(self) -> bool:
        """Whether a caller without a token is turned away."""
        ...

    async def authenticate(self, token: str | None) -> Principal | None:
        """The caller, or ``None`` where the token is missing or unknown.

        Raises:
            AuthExpired: the token was good, and is no more.
        """
        ...


class NoAuth:
    """Whoever reaches the loopback address is the one who started the process."""

    required = False

    async def authenticate(self, token: str | None) -> Principal | None:
        del token
        return LOCAL_ADMIN


class ApiTokens:
    """A fixed list of tokens, each with a role and, where wanted, the only clusters it sees.

    ``text`` is ``role=token,…`` or ``role@cluster1+cluster2=token``. The n-th token's caller is
    called ``role-n``. Raises ``InputError`` naming the entry that cannot be read, never its text.
    """

    required = True

    def __init__(self, text: str) -> None:
        self._known: list[tuple[bytes, Principal]] = []
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        if not entries:
            raise InputError("AIOPS_API_TOKENS holds no token.", _FORM)
        for number, entry in enumerate(entries, start=1):
            token, principal = _read_entry(number, entry)
            if any(compare_digest(_digest(token), known) for known, _ in self._known):
                raise InputError(f"Entry {number} of AIOPS_API_TOKENS repeats an earlier token.")
            self._known.append((_digest(token), principal))

    async def authenticate(self, token: str | None) -> Principal | None:
        given, found = _digest(token or ""), None
        for known, principal in self._known:
            # All are compared, however early one fits: the time tells nothing.
            if compare_digest(given, known):
                found = principal
        return found

    def __repr__(self) -> str:
        return f"ApiTokens({len(self._known)} tokens)"


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogateescape")).digest()


def _read_entry(number: int, entry: str) -> tuple[str, Principal]:
    who, separator, token = entry.partition("=")
    role_name, scoped, scope = who.strip().partition("@")
    names = frozenset(name.strip() for name in scope.split("+") if name.strip())
    where = f"Entry {number} of AIOPS_API_TOKENS"
    if not separator or not token.strip():
        raise InputError(f"{where} has no token.", _FORM)
    if role_name.strip().lower() not in set(Role):
        raise InputError(f"{where} has no role we know.", _FORM)
    if scoped and not names:
        raise InputError(f"{where} has an @ and no cluster after it.", _FORM)
    role = Role(role_name.strip().lower())
    principal = Principal(subject=f"{role}-{number}", role=role, clusters=names if scoped else None)
    return token.strip(), principal


def authenticator_from(settings: Settings) -> Authenticator:
    """API tokens where some are set, else none are asked for.

    Raises:
        InputError: the tokens cannot be read.
    """
    if settings.api_tokens is None:
        return NoAuth()
    return ApiTokens(settings.api_tokens.get_secret_value())


def bearer_token(authorization: str | None) -> str | None:
    """The token of an ``Authorization: Bearer …`` header; ``None`` where there is none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine only; unknown names are not."""
    name = host.strip().strip("[]").lower()
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def check_bind(host: str, settings: Settings) -> None:
    """Refuse to listen where others can connect while nobody is asked for a token.

    Raises:
        InputError: ``host`` is not loopback and no API token is set.
    """
    if settings.api_tokens is None and not is_loopback(host):
        raise InputError(
            f"Listening on {host or 'every address'} would let anybody on the network in.",
            "Set AIOPS_API_TOKENS (such as admin=<a long random text>), or listen on 127.0.0.1.",
        )
