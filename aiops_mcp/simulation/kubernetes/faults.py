"""Kubernetes' own way to say no: Status objects."""

from starlette.responses import JSONResponse

from aiops_mcp.simulation.kubernetes.view import Json


class Refused(Exception):
    """A request that is answered with a failure Status."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = failure(code, reason, message, details)

    def response(self) -> JSONResponse:
        return JSONResponse(self.status, self.code)


def failure(code: int, reason: str, message: str, details: Json | None = None) -> Json:
    """A failure Status."""
    status: Json = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    if details:
        status["details"] = details
    return status


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, resource: str, group: str, namespace: str) -> Refused:
    """What RBAC says."""
    scope = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    return Refused(
        403,
        "Forbidden",
        f'{resource} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
        f'in API group "{group}"{scope}',
        {"kind": resource, "group": group},
    )


def not_found(resource: str, name: str, group: str = "") -> Refused:
    told = f"{resource}.{group}" if group else resource
    details = {"name": name, "kind": resource, "group": group}
    return Refused(404, "NotFound", f'{told} "{name}" not found', details)


def no_such_path() -> Refused:
    return Refused(404, "NotFound", "the server could not find the requested resource")


def expired(message: str = "The provided continue parameter is too old") -> Refused:
    return Refused(410, "Expired", message)


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)
