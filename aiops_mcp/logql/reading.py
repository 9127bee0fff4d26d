"""A cursor over tokens: what both halves of the parser share. It must not know the grammar."""

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql.regexes import BadRegex, compiled
from aiops_mcp.logql.tokens import Token, fault, scan, unquote

DEEPEST = 100
"""How deep expressions nest, and how many operators follow one another, at most."""


class Cursor:
    """Reads a query's tokens from left to right."""

    def __init__(self, query: str) -> None:
        self.query = query
        self._tokens = scan(query)
        self._index = 0
        self._depth = 0

    @property
    def empty(self) -> bool:
        """Whether the query has no token at all."""
        return len(self._tokens) == 1

    @property
    def current(self) -> Token:
        return self._tokens[self._index]

    def ahead(self, count: int = 1) -> Token:
        """A token further on; the end when there is none."""
        return self._tokens[min(self._index + count, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.current
        if token.kind != "end":
            self._index += 1
        return token

    def at_sign(self, *texts: str) -> bool:
        return self.current.kind == "sign" and self.current.text in texts

    def at_word(self, *words: str) -> bool:
        return self.current.kind == "word" and self.current.lower in words

    def skip_sign(self, text: str) -> bool:
        """Take the sign if it is next."""
        if self.at_sign(text):
            self._index += 1
            return True
        return False

    def skip_word(self, word: str) -> bool:
        if self.at_word(word):
            self._index += 1
            return True
        return False

    def sign(self, text: str) -> Token:
        """The sign that must be next.

        Raises:
            InvalidLogql: when something else is.
        """
        if not self.at_sign(text):
            raise self.unexpected(text)
        return self.take()

    def name(self) -> str:
        """The label name that must be next."""
        if self.current.kind != "word":
            raise self.unexpected("IDENTIFIER")
        return self.take().text

    def string(self) -> str:
        """The string that must be next, unquoted."""
        if self.current.kind != "string":
            raise self.unexpected("STRING")
        return unquote(self.query, self.take())

    def regex(self) -> str:
        """The string that must be next, and must be a regular expression."""
        token = self.current
        text = self.string()
        self.check_regex(text, token)
        return text

    def check_regex(self, text: str, token: Token) -> None:
        try:
            compiled(text)
        except BadRegex as error:
            raise fault(
                self.query,
                str(error),
                token.start,
                "Mend the regular expression (RE2 syntax: no look-around).",
            ) from error

    def unexpected(self, expected: str = "", hint: str = "") -> InvalidLogql:
        """The error that the current token must not stand here."""
        more = f", expecting {expected}" if expected else ""
        return fault(
            self.query,
            f"syntax error: unexpected {self.current.shown}{more}",
            self.current.start,
            hint,
        )

    def deeper(self) -> None:
        """One more level; each needs its ``shallower``.

        Raises:
            InvalidLogql: when there are too many.
        """
        self._depth += 1
        if self._depth > DEEPEST:
            raise fault(
                self.query,
                f"the query nests deeper than {DEEPEST} levels",
                self.current.start,
                "Split the query.",
            )

    def shallower(self, levels: int = 1) -> None:
        self._depth -= levels
