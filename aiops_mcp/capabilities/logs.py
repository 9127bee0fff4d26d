"""Logs of the fleet."""

from aiops_mcp.operation import Capability

logs = Capability("logs", "Logs of the fleet.")
