"""XXH64 of a label set, as Prometheus hashes it for limit_ratio.

Source: the xxHash specification; label encoding of ``model/labels/labels_stringlabels.go``.
"""

from functools import lru_cache

from aiops_mcp.simulation.promql.matching import Labels

_MASK = (1 << 64) - 1
_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def xxh64(data: bytes) -> int:
    """The 64-bit hash with seed 0."""
    length, position = len(data), 0
    if length >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while position + 32 <= length:
            for number in range(4):
                start = position + 8 * number
                word = int.from_bytes(data[start : start + 8], "little")
                lanes[number] = _round(lanes[number], word)
            position += 32
        turns = (1, 7, 12, 18)
        total = sum(_rotated(lane, turn) for lane, turn in zip(lanes, turns, strict=True)) & _MASK
        for lane in lanes:
            total = ((total ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        total = _P5
    total = (total + length) & _MASK
    while position + 8 <= length:
        word = int.from_bytes(data[position : position + 8], "little")
        total = (_rotated(total ^ _round(0, word), 27) * _P1 + _P4) & _MASK
        position += 8
    if position + 4 <= length:
        word = int.from_bytes(data[position : position + 4], "little")
        total = (_rotated(total ^ (word * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        position += 4
    for byte in data[position:]:
        total = _rotated(total ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    total = (total ^ (total >> 33)) * _P2 & _MASK
    total = (total ^ (total >> 29)) * _P3 & _MASK
    return total ^ (total >> 32)


@lru_cache(maxsize=65_536)
def label_hash(labels: Labels) -> int:
    """The hash of a label set."""
    return xxh64(b"".join(_sized(text) for pair in labels for text in pair))


def _sized(text: str) -> bytes:
    raw = text.encode()
    size = len(raw)
    # Lengths from 255 on take three more bytes behind a marker.
    return (bytes([size]) if size < 255 else b"\xff" + size.to_bytes(3, "little")) + raw
