"""``nvidia-smi -q -x``: from its text to an element tree. It knows the format, not the meaning."""

import re
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from aiops_mcp.backends.nvidia_smi_messages import Sorted, sort_lines
from aiops_mcp.errors import BackendMisbehaved

_DOCUMENT = re.compile(r"<nvidia_smi_log\b.*</nvidia_smi_log>", re.DOTALL)
_START = re.compile(r"<\?xml|<!DOCTYPE|<nvidia_smi_log\b")
_NAME = re.compile(r"(<process_name>)(.*?)(</process_name>)", re.DOTALL)
_LOOSE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_xml(output: str) -> tuple[ET.Element, Sorted]:
    """The ``nvidia_smi_log`` element, and what nvidia-smi said around it.

    Only the document itself is parsed, without its DTD, so that no entity can be declared. A
    command line in ``process_name`` may be written unescaped by some drivers; it is mended.

    Raises:
        NvidiaSmiFailed: nvidia-smi told of a failure and wrote no document.
        BackendMisbehaved: there is no complete document.
    """
    match = _DOCUMENT.search(output)
    if match is None:
        said = sort_lines(_START.split(output, maxsplit=1)[0])
        if said.lost and not _START.search(output):
            return ET.Element("nvidia_smi_log"), said
        raise BackendMisbehaved(
            f"nvidia-smi's XML is not complete: {output.strip()[:80]!r}.",
            "The command may have been cut off; ask again.",
        )
    before = _START.split(output[: match.start()], maxsplit=1)[0]
    said = sort_lines(f"{before}\n{output[match.end() :]}")
    document = _NOT_XML.sub("", match.group(0))
    try:
        return _parse(document), said
    except ET.ParseError:
        mended = _NAME.sub(lambda m: m.group(1) + _escaped(m.group(2)) + m.group(3), document)
    try:
        return _parse(_LOOSE_AMPERSAND.sub("&amp;", mended)), said
    except ET.ParseError as error:
        raise BackendMisbehaved(
            f"nvidia-smi's XML cannot be parsed: {error}.", "The command may have been cut off."
        ) from error


def _parse(document: str) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314 - the DTD, where entities live, is cut off above


def _escaped(name: str) -> str:
    return escape(name, {}) if "<" in name or ">" in name else name
