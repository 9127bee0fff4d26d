"""Reads server-sent events out of lines, as the HTML Living Standard, section 9.2, says. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event; ``id`` is the last that was sent, with this event or before."""

    type: str
    data: str
    id: str


@dataclass(slots=True)
class SentEvents:
    """Takes line after line, without their ends."""

    _type: str = ""
    _data: list[str] = field(default_factory=list[str])
    _id: str = ""

    def take(self, line: str) -> SentEvent | None:
        """The event that ends with this line, if one does."""
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case _:  # a comment, retry, or a field that nobody knows
                pass
        return None

    def _end(self) -> SentEvent | None:
        kind, data = self._type or "message", self._data
        self._type, self._data = "", []
        return SentEvent(kind, "\n".join(data), self._id) if data else None
