"""Two steps of a tool that changes something: a plan with a one-time handle, then its use.

The handle is random, and what is stored is its hash together with the caller, the operation and
the arguments: it works once, for the one who asked, for exactly that call, and not for long.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson
from pydantic import SecretStr

from aiops_mcp.errors import InputError
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Input, Operation

HANDLE_LIFETIME = timedelta(minutes=10)

TWO_STEPS = (
    "The first call changes nothing: it answers with the plan and a "
    "handle; the same call with apply=HANDLE does it."
)
"""What the description of such a tool ends with."""

_NEXT_STEP = re.compile(
    r"Nothing was changed\. To do it, repeat this call with apply=([\w-]{16,64}) \(10 minutes\)\."
)


def next_step(handle: str) -> str:
    """How a plan says what to do with its handle; it begins what the digest has ``more`` of."""
    return f"Nothing was changed. To do it, repeat this call with apply={handle} (10 minutes)."


def handle_in(more: str) -> str | None:
    """The handle of a plan, from how it says its next step; ``None`` where there is none."""
    found = _NEXT_STEP.match(more)
    return found.group(1) if found else None


class HandleStore(Protocol):
    """Where hashes of handles wait for their use; shared by all replicas."""

    async def add(self, handle_hash: str, expires_at: datetime) -> None:
        """Remember an unused handle."""
        ...

    async def consume(self, handle_hash: str) -> bool:
        """Use it up, atomically: true once, and only before it expires."""
        ...


class OneTimeHandles:
    """Mints and uses the handles of plans; ``clock`` returns the time in UTC."""

    def __init__(self, store: HandleStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def mint(self, principal: Principal, operation: Operation, request: Input) -> str:
        """A new handle for this caller, operation and arguments."""
        handle = secrets.token_urlsafe(18)
        hashed = _bound_hash(handle, principal, operation, request)
        await self._store.add(hashed, self._clock() + HANDLE_LIFETIME)
        return handle

    async def consume(
        self, handle: str, principal: Principal, operation: Operation, request: Input
    ) -> None:
        """Use a handle up.

        Raises:
            InputError: it is unknown, used, expired, or was made for another call or caller.
        """
        if not await self._store.consume(_bound_hash(handle, principal, operation, request)):
            raise InputError(
                f"{operation.name}: this handle cannot be applied: it was used, has expired, "
                "or belongs to other arguments. Nothing was changed.",
                "Call again without apply to get a new plan and handle.",
                details={"fields": {"apply": "not a valid handle for this call"}},
            )


def _bound_hash(handle: str, principal: Principal, operation: Operation, request: Input) -> str:
    arguments = request.model_dump(exclude={"dry_run"})
    bound = [handle, principal.subject, operation.name, arguments]
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return hashlib.sha256(orjson.dumps(bound, default=_plain, option=options)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))  # pyright: ignore[reportUnknownArgumentType] - JSON only
    return str(value)
