"""All operations, in the order in which they are offered. The one list of capabilities.

Importing it costs little: no database, no MCP stack, no numpy.
"""

from aiops_mcp.capabilities import (
    alert_history,
    alert_rules,
    anomalies,
    anomalies_changes,
    auditing,
    correlation,
    credentials,
    explaining,
    gpu_health,
    importing,
    kubernetes_changes,
    kubernetes_health,
    kubernetes_objects,
    log_patterns,
    metric_catalogue,
    registration,
    rootcause,
    silences,
    streaming,
    trace_detail,
    trace_services,
    triage,
)
from aiops_mcp.capabilities.alerts import alerts
from aiops_mcp.capabilities.analysis import analysis
from aiops_mcp.capabilities.clusters import clusters
from aiops_mcp.capabilities.cnf import cnf
from aiops_mcp.capabilities.fleet import fleet
from aiops_mcp.capabilities.gpu import gpu
from aiops_mcp.capabilities.incidents import incidents
from aiops_mcp.capabilities.kubernetes import kubernetes
from aiops_mcp.capabilities.logs import logs
from aiops_mcp.capabilities.metrics import metrics
from aiops_mcp.capabilities.personas import personas
from aiops_mcp.capabilities.reports import reports
from aiops_mcp.capabilities.runbooks import runbooks
from aiops_mcp.capabilities.server import server
from aiops_mcp.capabilities.traces import traces
from aiops_mcp.operation import Operation

CAPABILITIES = (
    fleet,
    clusters,
    metrics,
    alerts,
    logs,
    traces,
    kubernetes,
    gpu,
    cnf,
    analysis,
    incidents,
    reports,
    personas,
    runbooks,
    server,
)

# These declare operations of a capability in files of their own.
_DECLARING = (
    auditing,
    registration,
    credentials,
    importing,
    metric_catalogue,
    alert_history,
    alert_rules,
    silences,
    gpu_health,
    streaming,
    kubernetes_objects,
    kubernetes_health,
    kubernetes_changes,
    trace_detail,
    trace_services,
    log_patterns,
    anomalies,
    anomalies_changes,
    correlation,
    triage,
    rootcause,
    explaining,
)

OPERATIONS: tuple[Operation, ...] = tuple(
    operation for capability in CAPABILITIES for operation in capability.operations
)
