"""Text that a cluster wrote, before a model reads it: orders in it are found, and it stays data.

Pure; knows no model, tool or conversation. Neither function is what keeps a model from obeying:
that is that a writing tool needs its user's consent. They let an answer say that somebody tried,
and keep text from being read as the frame of a conversation.
"""

import re

_SPECIAL = re.compile(
    r"<(?=[|\uff5c])"  # <|im_start|>, <|eot_id|>, and DeepSeek's with wide bars
    r"|<(?=/?(?:s|bos|eos|pad|unk|think|thinking|scratchpad|tools?|tool_calls?|tool_response"
    r"|tool_results?|tool_use|function_calls?|function_results?|functions?|invoke|parameter"
    r"|start_of_turn|end_of_turn|system|assistant|user|human|untrusted|unused\d{1,3})\s?>)"
    r"|<(?=(?:function|parameter|tool_call|invoke|tool)[ =])"
    r"|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS"
    r"|CALL_ID|THINK|IMG)\])",
    re.IGNORECASE,
)
"""Where a token of a chat template begins: ChatML, Llama 2 to 4, Mistral, Qwen, Hermes, Gemma,
DeepSeek, Phi, Granite (their templates on the model hub, November 2026)."""


def as_data(text: str) -> str:
    """The text in which nothing is a token of a chat template any more: a space breaks each up.

    Doing it twice changes nothing more.
    """
    return _SPECIAL.sub(lambda found: found.group() + " ", text)


def orders_in(text: str) -> tuple[str, ...]:
    """Excerpts of a text that try to give orders to a model; empty where nothing does."""
    return tuple(found.group() for found in _ORDERS.finditer(text.lower()))


_ORDERS = re.compile(
    r"(?:ignore|disregard|forget)\s+(?:\w+\s+){0,3}(?:your|previous|prior|above|earlier)?\s*"
    r"instructions?.{0,80}"
    r"|</untrusted>.{0,80}"
)
