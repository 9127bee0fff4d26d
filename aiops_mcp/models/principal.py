"""Who is asking, and what they may do and see (contract: roles)."""

from enum import StrEnum

from aiops_mcp.models.entity import Entity


class Role(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


_GRANTS: dict[Role, frozenset[str]] = {
    Role.ADMIN: frozenset({"*:*"}),
    Role.OPERATOR: frozenset({"clusters:read", "metrics:*", "chat:*", "reports:read"}),
    Role.VIEWER: frozenset({"clusters:read", "metrics:read", "chat:read", "reports:read"}),
}


class Principal(Entity):
    """A caller. ``clusters`` confines it to those names; ``None`` means the whole fleet."""

    subject: str
    role: Role
    clusters: frozenset[str] | None = None

    def may(self, permission: str) -> bool:
        """Whether ``resource:action`` is granted; ``metrics`` covers every signal."""
        resource = permission.partition(":")[0]
        return bool(_GRANTS[self.role] & {permission, f"{resource}:*", "*:*"})

    def sees(self, cluster_name: str) -> bool:
        """What a caller may not see does not exist for it."""
        return self.clusters is None or cluster_name in self.clusters


LOCAL_ADMIN = Principal(subject="local", role=Role.ADMIN)
"""The caller on stdio or unauthenticated loopback: whoever started the process."""
