"""What a far-edge cluster answered last, for when it is away. Holds no answers itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

T = TypeVar("T")


class LastSeenStore(Protocol):
    """Where answers outlive the process: one blob a key and cluster."""

    async def put(self, key: str, cluster_id: UUID, blob: bytes, at: datetime) -> None: ...

    async def get(self, key: str, cluster_id: UUID) -> tuple[bytes, datetime] | None: ...


@dataclass(frozen=True, slots=True)
class LastSeen(Generic[T]):
    """Names a question and says how its answers become bytes and back.

    ``decode`` raises ValueError for bytes of an older version; the answer is then as if absent.
    """

    key: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]
