"""Commands run in a simulated container: ``nvidia-smi`` and a few that every image has.

Wire format: kubernetes ``remotecommand`` over WebSocket, ``v5.channel.k8s.io`` and ``v4``: binary
frames whose first byte is the channel (1 stdout, 2 stderr, 3 status, 255 close of one, v5).
"""

import contextlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from aiops_mcp.simulation.gpus import node_driver
from aiops_mcp.simulation.inventory import Pod
from aiops_mcp.simulation.kubernetes.view import Json, View
from aiops_mcp.simulation.nvidia_smi import run_nvidia_smi

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _STATUS = b"\x01", b"\x02", b"\x03"
_FRAME = 32 * 1024
_NOT_FOUND = 127
_OS_RELEASE = 'NAME="Red Hat Enterprise Linux"\nVERSION="9.4 (Plow)"\nID="rhel"\nVERSION_ID="9.4"\n'
_DRIVER_CONTAINERS = ("nvidia-driver-ctr", "nvidia-device-plugin-daemonset", "nvidia-dcgm-exporter")


@dataclass(frozen=True, slots=True)
class Output:
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


def run(view: View, pod: Pod, command: Sequence[str]) -> Output:
    """What a command writes in a pod's container, and how it ends."""
    words = list(command)
    if len(words) == 3 and words[0].rsplit("/", 1)[-1] in ("sh", "bash") and words[1] == "-c":
        try:
            words = shlex.split(words[2])
        except ValueError as error:
            return Output("", f"sh: syntax error: {error}\n", 2)
    if not words:
        return Output()
    program = words[0].rsplit("/", 1)[-1]
    has_driver = bool(pod.gpus) or pod.work.container_name in _DRIVER_CONTAINERS
    if program in _PROGRAMS and (program != "nvidia-smi" or has_driver):
        return _PROGRAMS[program](view, pod, words[1:])
    text = f'exec: "{words[0]}": executable file not found in $PATH\n'
    return Output("", text, _NOT_FOUND)


def _nvidia_smi(view: View, pod: Pod, arguments: Sequence[str]) -> Output:
    inside = pod if pod.gpus else None
    driver = node_driver(view.cluster, view.store, pod.node, view.moment, inside)
    answer = run_nvidia_smi(driver, arguments, datetime.fromtimestamp(view.moment, UTC))
    return Output(answer.stdout, "", answer.exit_code)


def _cat(_view: View, _pod: Pod, arguments: Sequence[str]) -> Output:
    if list(arguments) == ["/etc/os-release"]:
        return Output(_OS_RELEASE)
    missing = "".join(f"cat: {path}: No such file or directory\n" for path in arguments)
    return Output("", missing, 1 if arguments else 0)


def _date(view: View, _pod: Pod, _arguments: Sequence[str]) -> Output:
    now = datetime.fromtimestamp(view.moment, UTC)
    return Output(now.strftime("%a %b %e %H:%M:%S UTC %Y\n"))


_PROGRAMS: Mapping[str, Callable[[View, Pod, Sequence[str]], Output]] = {
    "nvidia-smi": _nvidia_smi,
    "cat": _cat,
    "date": _date,
    "hostname": lambda _view, pod, _: Output(f"{pod.name}\n"),
    "echo": lambda _view, _pod, arguments: Output(" ".join(arguments) + "\n"),
    "uname": lambda _view, _pod, arguments: Output(
        "Linux 5.14.0-427.57.1.el9_4.x86_64 x86_64 GNU/Linux\n" if arguments else "Linux\n"
    ),
    "true": lambda _view, _pod, _: Output(),
    "false": lambda _view, _pod, _: Output("", "", 1),
}


def exit_status(code: int) -> Json:
    """The Status that ends an exec."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


async def converse(socket: WebSocket, output: Output) -> None:
    """Speak the exec protocol to its end on a socket that is not yet accepted."""
    offered = [one.strip() for one in socket.scope.get("subprotocols", [])]
    chosen = next((one for one in PROTOCOLS if one in offered), None)
    await socket.accept(subprotocol=chosen)
    with contextlib.suppress(WebSocketDisconnect):
        await socket.send_bytes(_STDOUT)  # the kubelet sends an empty frame first
        for channel, text in ((_STDOUT, output.stdout), (_STDERR, output.stderr)):
            data = text.encode()
            for start in range(0, len(data), _FRAME):
                await socket.send_bytes(channel + data[start : start + _FRAME])
        await socket.send_bytes(_STATUS + orjson.dumps(exit_status(output.exit_code)))
        await socket.close()
