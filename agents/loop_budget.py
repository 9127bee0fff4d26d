"""What one answer may spend: a model's turns, their tokens, and the context of each. Pure."""

from dataclasses import dataclass

from agents.conversation import TurnDone
from aiops_mcp.models.persona import Persona
from aiops_mcp.settings import Settings

_OUTPUT_SHARE = 5
"""A turn may be at most a fifth of the context long."""
_FULL = 0.9
"""Estimates are off, so the context counts as full before it is."""
_AFTER_OVERFLOW = 0.7


@dataclass(slots=True)
class Budget:
    """Steps and tokens left. ``context`` is in tokens as the model counts them."""

    steps: int
    tokens: int
    context: int
    max_output: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    steps_made: int = 0
    scale: float = 1.0
    """Tokens that the model counts for one that is estimated; never below 1."""

    @classmethod
    def of(cls, persona: Persona, settings: Settings, context: int) -> "Budget":
        """A persona's limits stand before the settings."""
        return cls(
            steps=persona.limits.steps or settings.agent_steps,
            tokens=persona.limits.tokens or settings.agent_tokens,
            context=context,
            max_output=max(64, min(settings.model_max_tokens, context // _OUTPUT_SHARE)),
        )

    @property
    def spent(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def prompt_room(self) -> int:
        """Estimated tokens that turns and tools may have together."""
        return int((self.context * _FULL - self.max_output) / self.scale)

    def is_last(self, prompt: int) -> bool:
        """Whether the turn to come, of ``prompt`` estimated tokens, must bring the answer."""
        one = int(prompt * self.scale) + self.max_output
        return self.steps_made + 1 >= self.steps or self.spent + 2 * one > self.tokens

    def allows(self, prompt: int) -> bool:
        """Whether one more turn of ``prompt`` estimated tokens may be had."""
        one = int(prompt * self.scale) + self.max_output
        return self.steps_made < self.steps and self.spent + one <= self.tokens

    def turn_ended(self, done: TurnDone, estimated: int) -> None:
        """Count a turn, whose prompt was estimated at so many tokens."""
        self.steps_made += 1
        self.prompt_tokens += done.prompt_tokens
        self.completion_tokens += done.completion_tokens
        if done.prompt_tokens and estimated:
            self.scale = max(1.0, done.prompt_tokens / estimated)

    def overflowed(self, *, held: int | None, sent: int | None, estimated: int) -> None:
        """The model refused a prompt as too long: believe what it said, else leave more room."""
        if sent and estimated:
            self.scale = max(self.scale, sent / estimated)
        if held and held < self.context:
            self.context = held
        elif held and not sent:  # it counts more than was estimated: at least what did not fit
            least = (held - self.max_output) / max(1, estimated)
            self.scale = max(self.scale, least) / _AFTER_OVERFLOW
        elif not held:
            did_not_fit = (sent or int(estimated * self.scale)) + self.max_output
            self.context = int(min(self.context, did_not_fit) * _AFTER_OVERFLOW)
        self.max_output = max(64, min(self.max_output, self.context // _OUTPUT_SHARE))
