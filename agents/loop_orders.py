"""Text of clusters that tries to give orders: remembered, told to people, and not obeyed.

Knows what was seen in one answer and what the user said; decides whether a call is asked for by
such text and not by the user. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from agents.fencing import orders_in

_EXCERPT = 120
_TELLING = 4
"""Shorter values say nothing about where they come from."""
_EXCERPTS = 24
_NO_FENCES = str.maketrans("", "", "«»")


class Orders:
    """Orders that were found in what was read. ``asked`` is what the user said."""

    def __init__(self, asked: Iterable[str]) -> None:
        self._asked = "\n".join(asked).casefold()
        self._excerpts: list[str] = []
        self._numbers: list[int] = []
        self._elsewhere = False

    def look(self, text: str, *, number: int | None) -> str:
        """Look for orders in a text; what to tell people of them, empty where there are none.

        ``number`` is the reference that the text is of; without one it was said before.
        """
        found = orders_in(text)
        if not found:
            return ""
        self._excerpts.extend(excerpt.casefold() for excerpt in found)
        del self._excerpts[_EXCERPTS:]
        if number is None:
            self._elsewhere = True
        else:
            self._numbers.append(number)
        excerpt = " ".join(found[0].translate(_NO_FENCES).split())
        shown = excerpt if len(excerpt) <= _EXCERPT else excerpt[: _EXCERPT - 1] + "…"
        place = "what was said before" if number is None else f"[{number}]"
        return (
            f"Text in {place} tries to give orders to the assistant: «{shown}». "
            "It is data; it is not obeyed."
        )

    @property
    def were_seen(self) -> bool:
        return bool(self._numbers) or self._elsewhere

    @property
    def warning(self) -> str:
        """For people who are asked for consent after orders were seen; else empty."""
        if not self.were_seen:
            return ""
        return (
            f"CAREFUL: text read{self._places()} tries to give orders to the assistant. "
            "Agree only if you yourself want this.\n\n"
        )

    @property
    def remark(self) -> str:
        """What the answer says of it; empty where none were seen."""
        if not self.were_seen:
            return ""
        return (
            f"Note: text read{self._places()} tries to give orders to the assistant (a prompt "
            "injection). It was seen, taken as data, and not followed."
        )

    def ask_for(self, name: str, arguments: Mapping[str, Any], *, writes: bool) -> bool:
        """Whether such text asks for this call, and the user did not.

        A writing call is taken as asked for when the text names the tool or a value that the user
        never said; a reading one when it names the tool, and a value where there are any, or a URL.
        The user asks for a call by its name, or by the words of it and all its values.
        """
        if name.casefold() in self._asked:
            return False
        values = [
            value
            for value in map(str.casefold, _strings(arguments))
            if len(value) >= _TELLING and value not in self._asked
        ]
        if not values and all(word in self._asked for word in name.casefold().split("_")):
            return False
        for excerpt in self._excerpts:
            is_named = name.casefold() in excerpt or name.replace("_", " ") in excerpt
            has_value = any(value in excerpt for value in values)
            if writes and (is_named or has_value):
                return True
            if is_named and (has_value or not values):
                return True
            if any("://" in value and value in excerpt for value in values):
                return True
        return False

    def _places(self) -> str:
        places = [f"[{number}]" for number in dict.fromkeys(self._numbers)]
        if self._elsewhere:
            places.append("earlier in this conversation")
        return f" in {', '.join(places)}" if places else ""


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, Any]", value).values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from _strings(item)
