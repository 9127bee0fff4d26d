"""LogQL as text and tree: parse with positions, print, inspect.

Pure: evaluates nothing, does no I/O. Evaluation lives in the simulation, execution in the backends.
"""

from aiops_mcp.logql.inspect import SelectorUse, selectors
from aiops_mcp.logql.parse import as_log_query, is_metric, parse, parse_selector
from aiops_mcp.logql.printing import to_text
from aiops_mcp.logql.tree import LogQuery, Matcher, MetricQuery, Query, Selector

__all__ = [
    "LogQuery",
    "Matcher",
    "MetricQuery",
    "Query",
    "Selector",
    "SelectorUse",
    "as_log_query",
    "is_metric",
    "parse",
    "parse_selector",
    "selectors",
    "to_text",
]
