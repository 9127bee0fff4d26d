"""The MCP server over a fleet of clusters. Runs alone; knows no language model."""

from importlib.metadata import version

__version__ = version("aiops-mcp")
