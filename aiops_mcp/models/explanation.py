"""A trouble explained in sentences made of templates, without a model."""

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.rootcause import RCAResult


class Explanation(Entity):
    """``text`` is Markdown; ``rca`` is what it was made of. ``model`` is empty: none was asked."""

    title: str
    text: str
    rca: RCAResult
    model: str | None = None
    coverage: Coverage
    as_of: Timestamp
