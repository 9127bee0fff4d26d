"""``nvidia-smi -q`` as text: from its indented lines to an element tree like that of the XML.

A label becomes a tag in lower case with underscores: ``FB Memory Usage`` is ``fb_memory_usage``.
"""

import re
import xml.etree.ElementTree as ET

from aiops_mcp.backends.nvidia_smi_messages import Sorted, sort_lines
from aiops_mcp.errors import BackendMisbehaved

_CARD = re.compile(r"GPU ([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])")
_ENTRY = re.compile(r"(\S.*?)\s*:(?:\s+(.*))?")
_TITLE = re.compile(r"=+NVSMI LOG=+")


def read_text(output: str) -> tuple[ET.Element, Sorted]:
    """The log as elements: the root's entries, and a ``gpu`` with its ``id`` for each card.

    Raises:
        NvidiaSmiFailed: nvidia-smi told of a failure instead.
        BackendMisbehaved: the text is no ``nvidia-smi -q``.
    """
    data = sort_lines(output)
    root = ET.Element("nvidia_smi_log")
    if not any(_TITLE.search(line) or _CARD.fullmatch(line.strip()) for line in data.lines):
        if data.lost:
            return root, data
        raise BackendMisbehaved(
            f"This is no output of nvidia-smi -q: {output.strip()[:80]!r}.",
            "Look at what the command printed on the node.",
        )
    # (indent, element) from the root inwards; a card's entries stand below its heading
    open_elements: list[tuple[int, ET.Element]] = [(-1, root)]
    for line in data.lines:
        stripped = line.strip()
        if not stripped or _TITLE.search(stripped):
            continue
        indent = len(line) - len(line.lstrip())
        while open_elements[-1][0] >= indent:
            open_elements.pop()
        element = _element(stripped, open_elements[-1][1])
        open_elements.append((indent, element))
    return root, data


def _element(stripped: str, parent: ET.Element) -> ET.Element:
    card = _CARD.fullmatch(stripped)
    if card:
        return ET.SubElement(parent, "gpu", {"id": card.group(1)})
    entry = _ENTRY.fullmatch(stripped)
    label = entry.group(1) if entry else stripped
    element = ET.SubElement(parent, tag_of(label))
    if entry:
        element.text = entry.group(2) or ""
    return element


def tag_of(label: str) -> str:
    """A label as a tag: ``GPU T.Limit Temp`` is ``gpu_t_limit_temp``."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_") or "unnamed"
