"""All operations, in the order in which they are offered. The one list of capabilities.

Importing it costs little: no database, no MCP stack, no numpy.
"""

from aiops_mcp.capabilities import credentials, importing, metric_catalogue, registration
from aiops_mcp.capabilities.alerts import alerts
from aiops_mcp.capabilities.clusters import clusters
from aiops_mcp.capabilities.fleet import fleet
from aiops_mcp.capabilities.gpu import gpu
from aiops_mcp.capabilities.metrics import metrics
from aiops_mcp.operation import Operation

CAPABILITIES = (fleet, clusters, metrics, alerts, gpu)

# These declare operations of a capability in files of their own.
_DECLARING = (registration, credentials, importing, metric_catalogue)

OPERATIONS: tuple[Operation, ...] = tuple(
    operation for capability in CAPABILITIES for operation in capability.operations
)
