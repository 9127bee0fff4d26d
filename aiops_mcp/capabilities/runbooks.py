"""Runbooks: found by an alert or by words, and read. What they are: ``fleet/runbook_files.py``."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.runbooks_digest import digest_found, digest_runbook
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError, ResourceNotFound
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.runbook import FoundRunbooks, Runbook, RunbookHit
from aiops_mcp.operation import Capability, Input

runbooks = Capability("runbooks", "What to look at and do about a kind of trouble, step by step.")


class RunbookSearch(Input):
    name: Annotated[str, Field(description="Of one runbook", max_length=64)] = ""
    alert: Annotated[str, Field(description="Name of an alert", max_length=200)] = ""
    search: Annotated[str, Field(description="Words: pod restarts", max_length=500)] = ""


def _digest_search(request: RunbookSearch, answer: FoundRunbooks) -> Digest:
    return digest_found(answer, alert=request.alert, asked=request.alert or request.search)


@runbooks.operation(
    "find_runbook",
    route="GET /runbooks",
    needs="chat:read",
    resource="fleet://runbooks",
    digest=_digest_search,
)
async def find_runbook(context: Context, request: RunbookSearch) -> FoundRunbooks:
    """What to look at and do, step by step, for an alert or a kind of trouble.

    Without arguments: which runbooks there are.
    """
    if request.name:
        try:
            one = await context.runbooks.get(request.name)
        except ResourceNotFound as error:  # an argument of a search, and no address
            raise InputError(error.message, error.hint, details=error.details) from error
        return FoundRunbooks(items=(RunbookHit.of(one, "its name"),), total=1, best=one)
    if not request.alert and not request.search:
        known = await context.runbooks.list()
        return FoundRunbooks(items=tuple(RunbookHit.of(each) for each in known), total=len(known))
    found = await context.runbooks.find(alert=request.alert, words=request.search)
    return FoundRunbooks(
        items=tuple(RunbookHit.of(match.runbook, match.why) for match in found),
        total=len(found),
        best=found[0].runbook if found else None,
    )


class OneRunbook(Input):
    name: Annotated[str, Field(description="Its name", max_length=64)]


def _digest_one(request: OneRunbook, answer: Runbook) -> Digest:
    del request
    return digest_runbook(answer)


@runbooks.operation(
    "get_runbook",
    route="GET /runbooks/{name}",
    needs="chat:read",
    tool=False,
    resource="runbook://{name}",
    digest=_digest_one,
)
async def get_runbook(context: Context, request: OneRunbook) -> Runbook:
    """One runbook with its steps, the calls of each, and its text."""
    return await context.runbooks.get(request.name)
