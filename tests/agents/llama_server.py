"""A real llama.cpp server with a model that is made here, of two megabytes.

The model is a table: what follows a token depends on that token alone (one layer whose attention
and feed-forward are zero, one-hot embeddings, the table as output matrix). Its chat template ends
in one of two tokens: after a user's message, when tools are offered, a tool call follows; after
everything else a text. So the answers are known, and all else is llama.cpp: its HTTP, streaming,
parsing of tool calls, grammars, usage and errors.

    with llama_server(folder) as url: ...
    python tests/agents/llama_server.py --port 8000

Needs the PyPI packages ``xllamacpp`` (the server) and ``gguf`` (the format).
"""

import argparse
import contextlib
import importlib.util
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

NAME = "table"
TOOL = "triage"
ARGUMENTS = "{}"
TEXT = "The fleet was looked at [1]. I don't know more than what it says there."
CONTEXT = 65_536
"""One token a byte, so a conversation of 16k tokens of a usual model fits."""

WIDTH, HEAD = 512, 32
END, TO_TOOL, TO_TEXT = "<|im_end|>", "<|do_tool|>", "<|do_text|>"

TEMPLATE = """\
{%- if tools %}{{- '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
{{- '# Tools\n\nYou are given function signatures within <tools></tools> XML tags:\n<tools>' }}
{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\n</tools>\n\nFor each function call, return a json object with function name and arguments \
within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": \
<args-json-object>}\n</tool_call><|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant' }}
{%- if message.content %}{{- '\n' + message.content }}{%- endif %}
{%- for tool_call in message.tool_calls %}
{%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
{{- '\n<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}
{{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}{%- endfor %}
{{- '<|im_end|>\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}
{%- if tools and messages[-1].role == 'user' %}{{- '<|do_tool|>' }}
{%- else %}{{- '<|do_text|>' }}{%- endif %}{%- endif %}"""


def missing() -> str | None:
    """Why the server cannot run here; ``None`` when it can."""
    lacking = [each for each in ("xllamacpp", "gguf") if importlib.util.find_spec(each) is None]
    return f"the package {' and '.join(lacking)} is not installed" if lacking else None


# --- the model --------------------------------------------------------------------------------


def _printable() -> dict[int, str]:
    """GPT-2's letters for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {
        **{byte: chr(byte) for byte in plain},
        **{byte: chr(256 + place) for place, byte in enumerate(others)},
    }


def _chain(text: str) -> list[str]:
    """The text in parts that differ from one another, for each must know what follows."""
    parts: list[str] = []
    for word in text.split(" "):
        part = word if not parts else f" {word}"
        if part in parts:
            parts[-1] += part
        else:
            parts.append(part)
    return parts


def write_model(
    path: Path, *, tool: str = TOOL, arguments: str = ARGUMENTS, text: str = TEXT
) -> None:
    """Write the table as GGUF: it calls ``tool`` with ``arguments``, and says ``text``."""
    import gguf
    import numpy as np

    letters = _printable()
    call = [
        *("<tool_call>", '\n{"name": "', tool, '", "arguments": '),
        *(arguments[:1], arguments[1:] + "}", "\n</tool_call>"),
    ]
    says = _chain(text)
    made = [part for part in (*call, *says) if len(part) > 1]
    words = ["".join(letters[byte] for byte in part.encode()) for part in made]
    special = ["<|im_start|>", END, TO_TOOL, TO_TEXT]
    tokens = [*letters.values(), "th", *words, *special]
    number = {token: place for place, token in enumerate(tokens)}

    def number_of(part: str) -> int:
        return number["".join(letters[byte] for byte in part.encode())]

    follows = np.zeros((len(tokens), WIDTH), np.float32)
    for first, parts in ((TO_TOOL, call), (TO_TEXT, says)):
        places = [number[first], *map(number_of, parts), number[END]]
        for here, there in zip(places, places[1:], strict=False):
            follows[there, here] = 1.0

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(NAME)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_types([control if token in special else normal for token in tokens])
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(number["<|im_start|>"])
    writer.add_eos_token_id(number[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    _add_tensors(writer, np.eye(len(tokens), WIDTH, dtype=np.float32), follows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tensors(writer, embeddings, follows) -> None:
    import numpy as np

    wide = np.float16
    ones = np.ones(WIDTH, np.float32)
    writer.add_tensor("token_embd.weight", embeddings.astype(wide))
    writer.add_tensor("output.weight", follows.astype(wide))
    writer.add_tensor("output_norm.weight", ones)
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", ones)
    shapes = {
        "attn_q": (HEAD, WIDTH),
        "attn_k": (HEAD, WIDTH),
        "attn_v": (HEAD, WIDTH),
        "attn_output": (WIDTH, HEAD),
        "ffn_gate": (32, WIDTH),
        "ffn_up": (32, WIDTH),
        "ffn_down": (WIDTH, 32),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, wide))


# --- the server -------------------------------------------------------------------------------


def serve(path: Path, port: int, context: int) -> str:
    """Start the server in this process; gives its base URL. It ends with the process."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {NAME}
    params.n_ctx = context
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = 2048
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.use_jinja = True
    params.warmup = False
    params.port = port
    params.endpoint_props = True
    server = xllamacpp.Server(params)
    _running.append(server)
    return f"{server.listening_address}/v1"


_running: list[object] = []


@contextmanager
def llama_server(folder: Path, *, context: int = CONTEXT, **model: str) -> Generator[str]:
    """Serve the table in a process of its own; gives the base URL (``…/v1``)."""
    path = folder / "table.gguf"
    write_model(path, **model)
    command = [sys.executable, str(Path(__file__)), "--model", str(path), "--context", str(context)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http"), f"llama.cpp did not start: {process.poll()}"
        yield url
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description="A real llama.cpp server with a tiny model.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", type=Path, help="default: one is made")
    parser.add_argument("--tool", default=TOOL)
    parser.add_argument("--arguments", default=ARGUMENTS)
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--context", type=int, default=CONTEXT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        path = given.model
        if path is None:
            path = Path(folder) / "table.gguf"
            write_model(path, tool=given.tool, arguments=given.arguments, text=given.text)
        print(serve(path, given.port, given.context), flush=True)  # noqa: T201  # for who starts it
        threading.Event().wait()


if __name__ == "__main__":
    main()
