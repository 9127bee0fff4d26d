"""A simulated Loki at wire level, plain or behind a LokiStack gateway, and its LogQL evaluator.

It must not know incidents: it reads what the log book holds, and what was pushed.
"""

from aiops_mcp.simulation.loki.app import loki_app
from aiops_mcp.simulation.loki.gateway import gateway_app
from aiops_mcp.simulation.loki.streams import ClusterStreams

__all__ = ["ClusterStreams", "gateway_app", "loki_app"]
