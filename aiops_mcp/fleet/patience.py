"""One source of several, waited for no longer than it is worth: being late is an error like others.

Whoever asks several sources for one answer names those that failed; a source that hangs is one.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiops_mcp.errors import QueryTimeout

T = TypeVar("T")


async def in_time(name: str, seconds: float, asking: Awaitable[T]) -> T:
    """What ``asking`` gives.

    Raises:
        QueryTimeout: it took longer. Anything else that it raises.
    """
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except TimeoutError as error:
        raise QueryTimeout(
            f"no answer within {seconds:g} s",
            "Ask fewer clusters or a shorter time.",
            details={"source": name},
        ) from error
