"""PromQL as text and tree: parse, print, inspect and restrict expressions.

Pure: no I/O, no clock, no arrays. Evaluation lives in the simulation, execution in the backends.
"""

from aiops_mcp.promql.inspect import SelectorUse, metric_names, result_type, selectors
from aiops_mcp.promql.parse import parse, parse_selector
from aiops_mcp.promql.printing import to_text
from aiops_mcp.promql.rewrite import add_matchers

__all__ = [
    "SelectorUse",
    "add_matchers",
    "metric_names",
    "parse",
    "parse_selector",
    "result_type",
    "selectors",
    "to_text",
]
