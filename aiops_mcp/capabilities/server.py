"""The server itself: who is connected, what was asked."""

from aiops_mcp.operation import Capability

server = Capability("server", "The server itself.")
