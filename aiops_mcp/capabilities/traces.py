"""Traces of the fleet."""

from aiops_mcp.operation import Capability

traces = Capability("traces", "Traces of the fleet.")
