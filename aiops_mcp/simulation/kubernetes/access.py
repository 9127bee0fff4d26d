"""Who may do what: two tokens per cluster, an admin's and a viewer's, and the review APIs."""

import hmac
from dataclasses import dataclass

from aiops_mcp.simulation.inventory import uid_of
from aiops_mcp.simulation.kubernetes import faults
from aiops_mcp.simulation.kubernetes.view import Json, field_of, section
from aiops_mcp.simulation.noise import key_of

READING = frozenset({"get", "list", "watch"})
_HIDDEN = frozenset({"secrets", "pods/exec", "services/proxy"})


@dataclass(frozen=True, slots=True)
class User:
    """A service account; a viewer reads all but Secrets, and runs nothing."""

    name: str
    uid: str
    admin: bool

    @property
    def groups(self) -> list[str]:
        return ["system:serviceaccounts", "system:serviceaccounts:aiops", "system:authenticated"]

    def may(self, verb: str, resource: str) -> bool:
        return self.admin or (verb in READING and resource not in _HIDDEN)


def token_of(seed: int, cluster: str, role: str = "admin") -> str:
    """The token of a cluster's ``admin`` or ``viewer``; drawn by the seed, good nowhere else."""
    parts = [f"{key_of(seed, cluster, role, place):016x}" for place in range(3)]
    return f"sim-{role}-{''.join(parts)}"


class Access:
    """Recognises one cluster's tokens and answers the review APIs."""

    def __init__(self, seed: int, cluster: str) -> None:
        self._users = {
            token_of(seed, cluster, role): User(
                f"system:serviceaccount:aiops:{role}",
                uid_of(seed, cluster, "user", role),
                role == "admin",
            )
            for role in ("admin", "viewer")
        }

    def user(self, authorization: str | None) -> User:
        """Who sent this header.

        Raises:
            Refused: 401, no or an unknown token.
        """
        scheme, _, token = (authorization or "").partition(" ")
        found = self._known(token.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise faults.unauthorized()
        return found

    def _known(self, token: str) -> User | None:
        for known, user in self._users.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return user
        return None

    def review(self, kind: str, body: Json, user: User) -> Json:
        """The answer to a review.

        Raises:
            Refused: 404, no such review.
        """
        spec = section(body, "spec")
        match kind:
            case "selfsubjectaccessreviews":
                status = self._access(spec, user)
            case "selfsubjectrulesreviews":
                verbs = ["*"] if user.admin else sorted(READING)
                rule = {"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]}
                status = {"resourceRules": [rule], "nonResourceRules": [], "incomplete": False}
            case "selfsubjectreviews":
                status = {"userInfo": _info(user)}
            case "tokenreviews":
                known = self._known(str(spec.get("token", "")))
                status = {"authenticated": known is not None}
                status |= {"user": _info(known)} if known else {"error": "token not known"}
            case _:
                raise faults.no_such_path()
        return {**body, "metadata": body.get("metadata") or {}, "status": status}

    def _access(self, spec: Json, user: User) -> Json:
        wanted = section(spec, "resourceAttributes")
        if not wanted:
            verb = field_of(spec, "nonResourceAttributes", "verb")
            return {"allowed": user.admin or verb in (None, "get")}
        resource = str(wanted.get("resource", ""))
        if wanted.get("subresource"):
            resource += f"/{wanted['subresource']}"
        allowed = user.may(str(wanted.get("verb", "")), resource)
        reason = "RBAC: allowed by ClusterRoleBinding" if allowed else "no RBAC policy matched"
        return {"allowed": allowed, "reason": reason}


def _info(user: User) -> Json:
    return {"username": user.name, "uid": user.uid, "groups": user.groups}
