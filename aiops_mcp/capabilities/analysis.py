"""What is wrong, by what series, logs and traces say: the group of operations and what they share.

The operations themselves are declared in files of their own.
"""

from typing import Annotated

from pydantic import Field

from aiops_mcp.models.entity import Duration
from aiops_mcp.operation import Capability

analysis = Capability("analysis", "What is unusual, what changed, what caused it, what runs out.")

Window = Annotated[Duration, Field(description="Lookback")]
Step = Annotated[Duration | None, Field(description="Default fits the window")]
