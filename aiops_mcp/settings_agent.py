"""The settings of the agent, of what it is answered by, and of what it keeps.

A part of ``settings.py``, which alone reads the environment.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from aiops_mcp.models.alerts import AlertSeverity


class AgentSettings(BaseSettings):
    """Of models, the agent, chats and incidents; times are seconds unless the name tells."""

    # the language model, where there is one
    model_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Base URLs of OpenAI-compatible servers such as http://127.0.0.1:8000/v1, "
        "comma-separated in order of preference, each with #MODEL where it serves several; "
        "default: none, and answers are made without a model",
    )
    model_api_key: SecretStr | None = Field(
        default=None, description="API key that is sent to these servers"
    )
    model_ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) that these servers are trusted by"
    )
    model_first_token_timeout: float = Field(
        default=60.0, gt=0, description="Until a model begins to answer"
    )
    model_stall_timeout: float = Field(
        default=30.0, gt=0, description="Between two pieces of a model's answer"
    )
    model_context: int | None = Field(
        default=None,
        ge=1_024,
        description="Tokens a model holds; default: what its server says, else 8192",
    )
    model_temperature: float = Field(default=0.1, ge=0, le=2, description="Of every model call")
    model_max_tokens: int = Field(
        default=1_500, ge=64, description="Longest turn of a model, in tokens"
    )

    # the agent
    agent_steps: int = Field(
        default=12,
        ge=1,
        le=50,
        description="Turns of a model for one answer; the last has no tools",
    )
    agent_tokens: int = Field(
        default=120_000, ge=1_000, description="Tokens of all turns of one answer"
    )
    agent_tool_timeout: float = Field(default=60.0, gt=0, description="Of one tool call")
    agent_parallel: int = Field(default=4, ge=1, description="Tool calls at once in one answer")
    mcp_servers_file: Path | None = Field(
        default=None,
        description="JSON file of more MCP servers for the agent, in the form of mcp.json",
    )
    personas_folder: Path | None = Field(
        default=None, description="Folder with more personas (Markdown)"
    )
    runbooks_folder: Path | None = Field(
        default=None, description="Folder with more runbooks (Markdown)"
    )
    chat_idle_hours: float = Field(
        default=24.0, gt=0, description="A chat session is kept so long after its last message"
    )
    chat_longest_days: float = Field(
        default=7.0, gt=0, description="A chat session is kept so long at most"
    )
    chat_messages: int = Field(default=100, ge=2, description="Messages of one session at most")
    chat_message_bytes: int = Field(default=32_768, ge=256, description="Longest message of a user")
    chat_sessions_per_user: int = Field(default=200, ge=1, description="Sessions of one user")
    chat_at_once: int = Field(
        default=64, ge=1, description="Answers that one process makes at the same time"
    )
    investigate: str = Field(
        default="triage",
        pattern="^(off|triage|model)$",
        description="Whether alerts are investigated by themselves: off, triage or model",
    )
    investigate_severity: AlertSeverity = Field(
        default=AlertSeverity.CRITICAL,
        description="From which severity on; the demo: WARNING unless it is set",
    )
    investigate_per_hour: int = Field(
        default=20, ge=1, description="Investigations an hour at most"
    )
    investigate_settle: float = Field(
        default=30.0, ge=0, description="An alert has fired so long before it is investigated"
    )
    incident_days: int = Field(default=90, ge=1, description="Incidents are kept so long")

    @field_validator("model_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
