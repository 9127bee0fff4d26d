"""A drawing as inline SVG: its colours are the page's own variables. Pure."""

from aiops_mcp.reports.drawing import TEXT, Box, Drawing, Mark, Stroke
from aiops_mcp.reports.markup import Markup, element

_TEXT_ROLES = {"text": "t1", "text-2": "t2", "crit-text": "tc"}


def svg(drawing: Drawing, name: str) -> Markup:
    """The drawing, told to screen readers as ``name``."""
    return element(
        "svg",
        (_mark(mark) for mark in drawing.marks),
        viewBox=f"0 0 {drawing.width:g} {drawing.height:g}",
        role="img",
        aria_label=name,
        class_="chart",
        font_size=TEXT,
    )


def _mark(mark: Mark) -> Markup:
    if isinstance(mark, Stroke):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        return element(
            "polyline",
            points=points,
            class_=f"l-{mark.role}",
            stroke_width=mark.width,
            stroke_dasharray="4 3" if mark.dash else None,
        )
    if isinstance(mark, Box):
        return element(
            "rect",
            x=mark.x,
            y=mark.y,
            width=mark.width,
            height=mark.height,
            class_=f"f-{mark.role}",
        )
    return element(
        "text",
        mark.text,
        x=mark.x,
        y=mark.y,
        text_anchor=mark.anchor if mark.anchor != "start" else None,
        class_=_TEXT_ROLES.get(mark.role),
    )
