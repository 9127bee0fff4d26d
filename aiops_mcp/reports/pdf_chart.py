"""A drawing as a flowable of the PDF library: vectors, in the colours of paper."""

from typing import Any, Final

from reportlab.lib.colors import HexColor
from reportlab.platypus import Flowable

from aiops_mcp.reports.drawing import TEXT, Box, Drawing, Stroke, Words
from aiops_mcp.reports.pdf_fonts import Typeface

COLOURS: Final = {
    "text": "#10161E",
    "text-2": "#445062",
    "axis": "#5F6B7C",
    "grid": "#E1E6EC",
    "border-strong": "#7E8B9E",
    "line-rest": "#B9C1CC",
    "crit": "#C62B1D",
    "crit-text": "#B3241A",
    "warn": "#C77A00",
    "ok": "#12876A",
    "mute": "#576373",
    "s1": "#3350C4",
    "s2": "#179696",
    "s3": "#7A4F80",
    "s4": "#968234",
    "s5": "#0B3C58",
}


class Chart(Flowable):
    """A drawing, scaled to a width in points."""

    def __init__(self, drawing: Drawing, width: float, face: Typeface) -> None:
        super().__init__()
        self._drawing = drawing
        self._scale = width / drawing.width
        self._face = face
        self.width = width
        self.height = drawing.height * self._scale

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:  # noqa: N803 - the library's names
        del aW, aH
        return self.width, self.height

    def draw(self) -> None:
        """Draw from the top left, as the drawing counts; the page counts from below."""
        self.canv.saveState()
        self.canv.scale(self._scale, self._scale)
        for mark in self._drawing.marks:
            if isinstance(mark, Stroke):
                self._stroke(mark)
            elif isinstance(mark, Box):
                self.canv.setFillColor(HexColor(COLOURS[mark.role]))
                y = self._drawing.height - mark.y - mark.height
                self.canv.rect(mark.x, y, mark.width, mark.height, stroke=0, fill=1)
            else:
                self._words(mark)
        self.canv.restoreState()

    def _stroke(self, mark: Stroke) -> None:
        # The library's stubs leave the types of paths open.
        canvas: Any = self.canv
        height = self._drawing.height
        canvas.setStrokeColor(HexColor(COLOURS[mark.role]))
        canvas.setLineWidth(mark.width)
        canvas.setLineJoin(1)
        canvas.setDash(*((4, 3) if mark.dash else ()))
        path = canvas.beginPath()
        (x, y), *rest = mark.points
        path.moveTo(x, height - y)
        for x, y in rest:
            path.lineTo(x, height - y)
        canvas.drawPath(path)

    def _words(self, mark: Words) -> None:
        canvas = self.canv
        canvas.setFillColor(HexColor(COLOURS[mark.role]))
        runs = list(self._face.pieces(" ".join(mark.text.split())))
        size = TEXT - 0.8
        width = sum(canvas.stringWidth(run, face, size) for face, run in runs)
        shift = {"start": 0.0, "middle": width / 2, "end": width}[mark.anchor]
        x, y = mark.x - shift, self._drawing.height - mark.y
        for face, run in runs:
            canvas.setFont(face, size)
            canvas.drawString(x, y, run)
            x += canvas.stringWidth(run, face, size)
