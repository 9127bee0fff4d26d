r"""Which face writes which letter of a PDF: text of clusters may be in any script.

A PDF carries its fonts. The one that the PDF library brings (Bitstream Vera) has the Latin letters;
faces of the system that have more come after it, in the order given. East Asian text is set in the
standard fonts that PDF readers bring themselves. What nobody has is written as ``\u4e2d``: never
a box that hides it, and never a crash.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

BODY, BOLD = "body", "body-bold"

_EAST_ASIAN = (
    ("HANGUL", "HYSMyeongJo-Medium"),
    ("HIRAGANA", "HeiseiMin-W3"),
    ("KATAKANA", "HeiseiMin-W3"),
    ("CJK", "STSong-Light"),
)


@dataclass(frozen=True, slots=True)
class Face:
    """A registered font and the code points that it has."""

    name: str
    letters: frozenset[int]


@cache
def own_faces() -> tuple[Face, ...]:
    """The face that comes with the PDF library, registered as body and bold."""
    folder = Path(reportlab.__file__).parent / "fonts"
    faces = [register(BODY, folder / "Vera.ttf"), register(BOLD, folder / "VeraBd.ttf")]
    return tuple(face for face in faces if face is not None)


@cache
def register(name: str, path: Path) -> Face | None:
    """Make a TrueType file known; None where it is none that can be used."""
    try:
        font = TTFont(name, str(path))
    except (TTFError, OSError):
        return None
    pdfmetrics.registerFont(font)  # pyright: ignore[reportUnknownMemberType]  # its stubs leave it open
    return Face(name, frozenset(font.face.charToGlyph))


@cache
def further_faces(paths: tuple[Path, ...]) -> tuple[Face, ...]:
    """The given files that can be used, in their order."""
    found = (register(f"more-{path.stem}", path) for path in paths)
    return tuple(face for face in found if face is not None)


@cache
def _east_asian(name: str) -> str:
    font = UnicodeCIDFont(name)
    pdfmetrics.registerFont(font)  # pyright: ignore[reportUnknownMemberType]  # its stubs leave it open
    return name


class Typeface:
    """Chooses a face for every letter; ``further`` are font files to take after the own one."""

    def __init__(self, further: Sequence[Path] = ()) -> None:
        self._body, self._bold = own_faces()
        self._further = further_faces(tuple(further))
        self.unwritten: set[str] = set()
        """Letters that no face had."""

    def pieces(self, text: str, *, bold: bool = False) -> Iterator[tuple[str, str]]:
        """The text as runs of (face, letters)."""
        first = self._bold if bold else self._body

        def face_of(letter: str) -> str:
            return self._face_of(letter, first)

        for face, letters in groupby(text, face_of):
            run = "".join(letters)
            if face:
                yield face, run
                continue
            self.unwritten.update(run)
            yield first.name, "".join(f"\\u{ord(letter):04x}" for letter in run)

    def _face_of(self, letter: str, first: Face) -> str:
        code = ord(letter)
        if letter == "\n":  # a break of lines, which no face has
            return first.name
        for face in (first, *self._further):
            if code in face.letters:
                return face.name
        if code < 0x1100 or code > 0xFFFF:
            return ""
        name = unicodedata.name(letter, "")
        font = next((font for word, font in _EAST_ASIAN if name.startswith(word)), "")
        return _east_asian(font) if font else ""

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Points that a text takes on one line."""
        return sum(
            pdfmetrics.stringWidth(run, face, size) for face, run in self.pieces(text, bold=bold)
        )

    def markup(self, text: str, *, bold: bool = False) -> str:
        """The text as the library's paragraph markup, escaped, faces named where they change."""
        parts: list[str] = []
        for face, run in self.pieces(text, bold=bold):
            inner = escape(run).replace("\n", "<br/>")
            parts.append(inner if face == BODY else f'<font name="{face}">{inner}</font>')
        return "".join(parts)
