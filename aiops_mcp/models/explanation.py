"""A trouble explained in sentences: by templates, or by a model that writes over the same facts."""

from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.rootcause import RCAResult


class Explanation(Entity):
    """``text`` is Markdown; ``rca`` is what it was made of.

    ``model`` wrote the text; without one it is made of templates, and ``notes`` say why where a
    model was asked for.
    """

    title: str
    text: str
    rca: RCAResult
    model: str | None = None
    notes: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


class Prose(Entity):
    """What a model wrote of a root-cause answer; without ``text`` it wrote nothing.

    ``notes`` are for the reader: why there is no text, or what of it no result supports.
    """

    text: str = ""
    model: str | None = None
    notes: tuple[str, ...] = ()
