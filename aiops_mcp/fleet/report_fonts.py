"""Fonts of the system that write more scripts than the PDF library's own, where they are installed.

Debian and its like put them there: fonts-dejavu-core, fonts-noto-core. Only looks; opens nothing.
"""

from collections.abc import Sequence
from pathlib import Path

FOLDERS = (
    Path("/usr/share/fonts/truetype/dejavu"),
    Path("/usr/share/fonts/truetype/noto"),
    Path("/usr/share/fonts/dejavu-sans-fonts"),
    Path("/usr/share/fonts/google-noto"),
    Path("/usr/share/fonts/noto"),
)
FILES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
)


def fonts_for(chosen: Sequence[Path], folders: Sequence[Path] = FOLDERS) -> tuple[Path, ...]:
    """The files of the setting, else those that are known and there."""
    if chosen:
        return tuple(chosen)
    return tuple(path for name in FILES for folder in folders if (path := folder / name).is_file())
