"""A line under way through a pipeline: its text and labels, and where each label came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ERROR = "__error__"
DETAILS = "__error_details__"


@dataclass(slots=True)
class Row:
    """``labels`` are those of the stream, the metadata and the parsed ones together."""

    ns: int
    line: str
    stream: Mapping[str, str]
    metadata: Mapping[str, str]
    labels: dict[str, str] = field(default_factory=dict[str, str])
    parsed: set[str] = field(default_factory=set[str])

    @classmethod
    def of(
        cls, ns: int, line: str, stream: Mapping[str, str], metadata: Mapping[str, str]
    ) -> "Row":
        return cls(ns, line, stream, metadata, {**stream, **metadata})

    def extract(self, name: str, value: str) -> None:
        """Take a parsed label in; one that the stream has already gets ``_extracted``."""
        if name in self.stream or name in self.metadata:
            name = f"{name}_extracted"
        self.labels[name] = value
        self.parsed.add(name)

    def set(self, name: str, value: str) -> None:
        """Set a label, whatever it was."""
        self.labels[name] = value
        self.parsed.add(name)

    def drop(self, name: str) -> None:
        self.labels.pop(name, None)
        self.parsed.discard(name)

    def fail(self, error: str, details: str) -> None:
        """Note the first fault of the pipeline."""
        if ERROR not in self.labels:
            self.set(ERROR, error)
            self.set(DETAILS, details)

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.labels.items()))

    def categories(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Labels of the stream, of the metadata, and parsed ones, as they are now."""
        labels, parsed = self.labels, self.parsed
        return (
            {k: labels[k] for k in self.stream if k in labels and k not in parsed},
            {k: labels[k] for k in self.metadata if k in labels and k not in parsed},
            {k: labels[k] for k in labels if k in parsed},
        )
