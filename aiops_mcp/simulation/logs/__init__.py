"""What the simulated fleet writes: lines of containers and of nodes' journals, over time.

Every line is a function of time, so that the kubelet and Loki give the same ones. It must not
know a wire format, nor LogQL.
"""

from aiops_mcp.simulation.logs.book import LogBook
from aiops_mcp.simulation.logs.lines import Line

__all__ = ["Line", "LogBook"]
