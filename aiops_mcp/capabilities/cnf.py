"""Network functions of the fleet."""

from aiops_mcp.operation import Capability

cnf = Capability("cnf", "Network functions of the fleet.")
