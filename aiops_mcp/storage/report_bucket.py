"""Where the content of reports is kept: a bucket of S3, or of what speaks its protocol.

By URL: ``s3://bucket/prefix?endpoint=https://minio.example:9000&region=eu-west-1``. Keys come from
the settings; without them from the environment or the machine's role, as AWS's own tools do. An
object is there as a whole or not at all, which is what S3 promises of a single put.
"""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, urlsplit

from aiops_mcp.errors import InputError, StorageFailed

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")
_KNOWN = frozenset({"endpoint", "region", "path_style"})
_TIMEOUT = timedelta(seconds=30)
_SAYS = {
    "PermissionDeniedError": "it refuses these keys",
    "UnauthenticatedError": "it wants keys, or other ones",
    "NotFoundError": "there is no such bucket",
}


class BucketBlobs:
    """Objects below a prefix of one bucket. ``place`` names it in messages, without keys."""

    def __init__(self, store: "S3Store", place: str) -> None:
        self._store = store
        self._place = place

    async def put(self, name: str, content: bytes, media_type: str) -> None:
        attributes = {"Content-Type": media_type}
        # One request: an object in parts could be left half-done.
        put = self._store.put_async(name, content, attributes=attributes, use_multipart=False)
        try:
            await self._run(put)
        except FileNotFoundError as error:
            raise self._failed("NotFoundError") from error

    async def get(self, name: str) -> bytes | None:
        try:
            found = await self._run(self._store.get_async(name))
            return bytes(await self._run(found.bytes_async()))
        except FileNotFoundError:
            return None

    async def remove(self, name: str) -> None:
        try:
            await self._run(self._store.delete_async(name))
        except FileNotFoundError:
            return

    async def tidy(self, before: datetime) -> None:
        """Nothing is left behind: an unfinished put leaves no object."""
        del before

    async def _run(self, work: Awaitable[T]) -> T:
        from obstore.exceptions import BaseError

        try:
            return await work
        except FileNotFoundError:
            raise
        except (BaseError, OSError, ValueError) as error:
            # The library's message holds the response's body, and more than a line of it.
            raise self._failed(type(error).__name__) from error

    def _failed(self, name: str) -> StorageFailed:
        said = _SAYS.get(name, "it gave no answer that can be used")
        return StorageFailed(
            f"Reports cannot be kept in {self._place}: {said}.",
            "Check AIOPS_REPORT_STORE, its keys and the bucket's policy.",
        )


def open_bucket(url: str, *, key_id: str | None, secret: str | None) -> BucketBlobs:
    """The bucket of a URL; nothing is asked of it yet.

    Raises:
        InputError: the URL is none that can be used.
    """
    parts = urlsplit(url)
    told = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme != "s3" or not parts.hostname or set(told) - _KNOWN:
        raise InputError(
            "AIOPS_REPORT_STORE names no bucket.",
            "Write s3://bucket/prefix?endpoint=https://host:9000&region=eu-west-1.",
        )
    if parts.username or parts.password:
        raise InputError(
            "AIOPS_REPORT_STORE holds a key.",
            "Set AIOPS_REPORT_STORE_KEY_ID and AIOPS_REPORT_STORE_SECRET instead.",
        )
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    config: dict[str, str | bool] = {"region": told.get("region", "us-east-1")}
    if endpoint := told.get("endpoint"):
        config["endpoint"] = endpoint
        config["virtual_hosted_style_request"] = told.get("path_style") == "false"
    if key_id and secret:
        config |= {"access_key_id": key_id, "secret_access_key": secret}
    plain = (endpoint or "").startswith("http://")
    try:
        store = S3Store(
            parts.hostname,
            prefix=parts.path.strip("/") or None,
            config=config,  # pyright: ignore[reportArgumentType]  # a TypedDict of the same keys
            client_options={"timeout": _TIMEOUT, "allow_http": plain},
            retry_config={"max_retries": 2, "retry_timeout": _TIMEOUT},
        )
    except (BaseError, ValueError) as error:
        raise InputError(f"AIOPS_REPORT_STORE cannot be used: {type(error).__name__}.") from error
    return BucketBlobs(store, f"s3://{parts.hostname}{parts.path}")
