"""Tells what a model thinks aloud from its answer where both come as one text. Pure.

Servers without a parser of reasoning pass ``<think>…</think>`` on at the beginning of the
content, cut anywhere. Some templates open the thought in the prompt, so that only its end comes.
"""

from typing import Final

from agents.conversation import ReasoningPiece, TextPiece

_PAIRS: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "[THINK]": "[/THINK]",
}
_CLOSINGS: Final = tuple(_PAIRS.values())
_LONGEST: Final = max(map(len, (*_PAIRS, *_CLOSINGS)))

Spoken = TextPiece | ReasoningPiece


class ThinkingSplit:
    """Splits content as it comes; nothing is held back longer than a tag may need.

    Only a thought at the beginning counts, and one that follows another: an answer may speak of
    ``<think>`` as well. ``begins_inside``: the template opened the thought in the prompt.
    """

    def __init__(self, *, begins_inside: bool = False) -> None:
        self._kept = ""
        self._closing = "</think>" if begins_inside else None
        self._begins_inside = begins_inside
        self._in_answer = False
        self._before = ""
        self._unclosed: list[str] = []
        self.stray_end = False
        """Whether a thought ended that was never opened."""
        self.was_no_thought = False
        """Whether what was taken for a thought from the beginning on never ended."""

    def feed(self, text: str) -> list[Spoken]:
        """What of the text so far is sure to be thought or answer."""
        pieces: list[Spoken] = []
        self._kept += text
        while self._kept and self._step(pieces):
            pass
        return pieces

    def end(self) -> list[Spoken]:
        """What was held back. A thought that was taken for one and never ended is the answer."""
        kept, self._kept = self._kept, ""
        if self._closing is not None and self._begins_inside:
            whole = "".join(self._unclosed) + kept
            self.was_no_thought = bool(whole)
            return [TextPiece(whole)] if whole else []
        if not kept or (not self._in_answer and kept.isspace()):
            return []
        return [ReasoningPiece(kept) if self._closing is not None else TextPiece(kept)]

    def _step(self, pieces: list[Spoken]) -> bool:
        """One move; whether there may be another."""
        if self._closing is not None:
            return self._think(pieces, self._closing)
        if self._in_answer:
            return self._answer(pieces)
        self._kept = self._kept.lstrip()
        for opening, closing in _PAIRS.items():
            if self._kept.startswith(opening):
                self._kept = self._kept[len(opening) :]
                self._closing = closing
                return True
        if any(opening.startswith(self._kept) for opening in _PAIRS):
            return False
        self._in_answer = True
        return True

    def _think(self, pieces: list[Spoken], closing: str) -> bool:
        thought, found, rest = self._kept.partition(closing)
        if found:
            self._closing, self._begins_inside, self._kept = None, False, rest
            self._unclosed.clear()
        else:
            thought, self._kept = _sure(thought, (closing,))
        if thought:
            pieces.append(ReasoningPiece(thought))
            if self._begins_inside:
                self._unclosed.append(thought)
        return bool(found)

    def _answer(self, pieces: list[Spoken]) -> bool:
        if self.stray_end:
            text, self._kept = self._kept, ""
        else:
            text, self._kept = self._without_stray_end()
        if text:
            pieces.append(TextPiece(text))
            self._before = text[-1]
        return False

    def _without_stray_end(self) -> tuple[str, str]:
        """An end without a beginning is taken out once; what stood before was already told."""
        for closing in _CLOSINGS:
            before, found, after = self._kept.partition(closing)
            if found and (before or self._before)[-1:] != "`":
                self.stray_end = True
                return before + after, ""
        return _sure(self._kept, _CLOSINGS)


def _sure(text: str, tags: tuple[str, ...]) -> tuple[str, str]:
    """The text without an end that may be the beginning of a tag, and that end."""
    tail = text[-(_LONGEST - 1) :]
    if not any(tag[0] in tail for tag in tags):
        return text, ""
    for length in range(min(_LONGEST - 1, len(text)), 0, -1):
        end = text[-length:]
        if any(len(tag) > length and tag.startswith(end) for tag in tags):
            return text[:-length], end
    return text, ""
