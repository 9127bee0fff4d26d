"""Whether a number of an answer is among those of a result, or follows from them. Pure.

By value, never as text: 0.3333 supports 33 %, 2103 supports 2.1k, 1.765 s supports 1,765 ms. What
became what (``72 -> 2``), and ``n of m``, support their difference, ratio, share and change.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from agents.evidence_numbers import BYTE_UNITS, RATIO_UNITS, TIME_UNITS, Amount, Claimed
from agents.evidence_shown import Hints, Pair, Shown

_LEFT: Final = re.compile(r"\b(?:left|free|remain\w*|unused|idle|not)\b", re.IGNORECASE)


_MULTIPLES: Final = (1.0, 1e3, 1e6, 1e9)
_FACTORS: Final = {
    "": _MULTIPLES,
    "time": tuple(sorted(set(TIME_UNITS.values()))),
    "bytes": tuple(sorted(set(BYTE_UNITS.values()))),
    "percent": (1.0, 100.0),
}


def is_shown(claim: Claimed, shown: Shown, *, derive: bool) -> bool:
    """Whether a result holds the number; ``derive``: or it follows from those that it holds."""
    amount = claim.amount
    digits = claim.text.lstrip("+-\u2212")
    if (claim.is_identifier or len(digits) > 3) and digits in shown.embedded:
        return True
    if claim.is_identifier and not derive:
        return False
    if any(
        _same(claim, one, shown.hints(at), strict=not derive)
        for one, at in _candidates(claim, shown)
    ):
        return True
    if amount.raw == 0 and shown.says_none:
        return True
    if claim.is_identifier or not derive:
        return False
    counted = not amount.kind and any(
        _near(claim, amount.value, n, amount.half) for n in shown.counts
    )
    return counted or any(_follows(claim, pair) for pair in shown.pairs)


def _candidates(claim: Claimed, shown: Shown) -> Iterator[tuple[Amount, int]]:
    """Numbers whose digits may be the claim's in some unit."""
    amount = claim.amount
    low, high = _range(claim)
    for factor in _FACTORS[amount.kind]:
        yield from shown.between(low / factor, high / factor)
    if not amount.kind:  # a percentage told as a ratio
        yield from shown.between(low * 100, high * 100)


def _range(claim: Claimed) -> tuple[float, float]:
    amount = claim.amount
    share = 0.1 if amount.kind == "bytes" or claim.bound == "about" else 0.0
    slack = max(amount.half * 1.001, amount.value * share) + 1e-12
    low, high = amount.value - slack, amount.value + slack
    if claim.bound == "over":
        high = amount.value * 1.35 + amount.half
    elif claim.bound == "under":
        low = amount.value * 0.65 - amount.half
    return low, high


def rest_of(claim: Claimed, text: str) -> Claimed | None:
    """A percentage that is left, as that which is not; None where a sentence speaks of no rest."""
    if claim.amount.kind != "percent" or claim.amount.raw > 100 or not _LEFT.search(text):
        return None
    rest = 100 - claim.amount.raw
    return replace(claim, amount=replace(claim.amount, value=rest, raw=rest))


def is_fraction_shown(one: str, shown: Shown) -> bool:
    """Whether a result holds ``1/2``, also as ``1 of 2``."""
    first, _, second = one.partition("/")
    return one in shown.fractions or (shown.has_raw(float(first)) and shown.has_raw(float(second)))


def _same(claim: Claimed, one: Amount, hints: Hints, *, strict: bool) -> bool:
    """Whether a claim is that number, by rounding and by unit; ``strict``: in the same form."""
    amount = claim.amount
    if amount.kind == one.kind:
        held = (one.value,)
    elif amount.kind and one.kind:
        return False
    elif one.kind:
        return not strict and _same_without_unit(claim, one)
    else:
        own = amount.value / (amount.raw or 1.0)
        held = tuple(
            one.raw * factor
            for kind, factor in hints
            if kind == amount.kind and (not strict or factor == own)
        )
    if any(_near(claim, amount.value, each, amount.half) for each in held):
        return True
    loose = amount.kind == "bytes" and not strict
    return loose and any(_is_roughly(amount, each) for each in held)


def _same_without_unit(claim: Claimed, one: Amount) -> bool:
    """A claim that leaves out the unit, or tells a percentage as a ratio."""
    raw, half = claim.amount.raw, claim.amount.half
    if _near(claim, raw, one.raw, half):
        return True
    return one.kind == "percent" and _near(claim, raw, one.raw / 100, half)


def _is_roughly(amount: Amount, held: float) -> bool:
    """GB are said where GiB are meant, and the other way round."""
    return any(
        abs(amount.value * (1.024**power) - held) <= amount.half * 1.0001
        or abs(amount.value / (1.024**power) - held) <= amount.half * 1.0001
        for power in (1, 2, 3, 4)
    )


def _near(claim: Claimed, said: float, held: float, half: float) -> bool:
    said, held = abs(said), abs(held)
    slack = half * 1.0001 + 1e-12
    if claim.bound == "about":
        slack = max(slack, said * 0.1)
    if abs(said - held) <= slack:
        return True
    if claim.bound == "over":
        return said <= held <= said * 1.35 + half
    if claim.bound == "under":
        return said * 0.65 - half <= held <= said
    return False


def _follows(claim: Claimed, pair: Pair) -> bool:
    """Difference, sum, ratio or change of two numbers that belong together."""
    one, other = pair.one, pair.other
    low, high = sorted((abs(one.value), abs(other.value)))
    if claim.unit.lower() in RATIO_UNITS or claim.amount.kind == "percent":
        return _is_ratio(claim, low, high) or _is_change(claim, low, high)
    if claim.is_small or not _fits(claim, one, pair):
        return False
    factor = _factor(claim, one, pair)
    return any(
        _near(claim, claim.amount.value, told * factor, claim.amount.half)
        for told in (high - low, high + low)
    )


def _factor(claim: Claimed, one: Amount, pair: Pair) -> float:
    if one.kind or not claim.amount.kind:
        return 1.0
    return next((factor for kind, factor in pair.hints if kind == claim.amount.kind), 1.0)


def _fits(claim: Claimed, one: Amount, pair: Pair) -> bool:
    """Whether a claim can be in the unit of these numbers."""
    kind = claim.amount.kind
    return kind in ("", one.kind) or (not one.kind and any(kind == each for each, _ in pair.hints))


def _is_ratio(claim: Claimed, low: float, high: float) -> bool:
    return bool(low) and _near(claim, claim.amount.raw, high / low, claim.amount.half)


def _is_change(claim: Claimed, low: float, high: float) -> bool:
    """Percent of the one more or less than of the other, or its share."""
    if claim.amount.kind != "percent" or not high:
        return False
    shares = [100 * low / high, 100 * (high - low) / high]
    if low:
        shares.append(100 * (high - low) / low)
    return any(_near(claim, claim.amount.raw, share, claim.amount.half) for share in shares)
