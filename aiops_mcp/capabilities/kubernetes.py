"""Kubernetes objects of the fleet, reading only."""

from aiops_mcp.operation import Capability

kubernetes = Capability("kubernetes", "Kubernetes objects of the fleet, reading only.")
