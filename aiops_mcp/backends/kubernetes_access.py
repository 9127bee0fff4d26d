"""Reviews: may we, may they, whose token, who are we. Bodies and verdicts; pure.

Wire format: authorization.k8s.io/v1 and authentication.k8s.io/v1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_AUTHORIZATION = "authorization.k8s.io/v1"
_AUTHENTICATION = "authentication.k8s.io/v1"

OWN_ACCESS = f"/apis/{_AUTHORIZATION}/selfsubjectaccessreviews"
SUBJECT_ACCESS = f"/apis/{_AUTHORIZATION}/subjectaccessreviews"
TOKEN = f"/apis/{_AUTHENTICATION}/tokenreviews"
SELF = f"/apis/{_AUTHENTICATION}/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class AccessVerdict:
    """``reason`` is the authorizer's, or the error for which it could not decide."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Somebody, as a cluster knows them."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """``user`` is None when the token is not good; ``error`` then says why."""

    authenticated: bool
    user: UserInfo | None = None
    error: str = ""


def own_access(
    verb: str,
    resource: str,
    group: str = "",
    namespace: str | None = None,
    subresource: str = "",
    name: str = "",
) -> dict[str, Any]:
    spec = _attributes(verb, resource, group, namespace, subresource, name)
    return _review(_AUTHORIZATION, "SelfSubjectAccessReview", spec)


def subject_access(
    user: UserInfo, verb: str, resource: str, group: str = "", namespace: str | None = None
) -> dict[str, Any]:
    """The groups must be those of a TokenReview: a user's rights mostly come from them."""
    spec = {
        **_attributes(verb, resource, group, namespace),
        "user": user.username,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    return _review(_AUTHORIZATION, "SubjectAccessReview", spec)


def token(value: str, audiences: Sequence[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {"token": value}
    if audiences:
        spec["audiences"] = list(audiences)
    return _review(_AUTHENTICATION, "TokenReview", spec)


def self_subject() -> dict[str, Any]:
    return _review(_AUTHENTICATION, "SelfSubjectReview", None)


def access_verdict(review: Mapping[str, Any]) -> AccessVerdict:
    status = _status(review)
    allowed = status.get("allowed") is True and status.get("denied") is not True
    return AccessVerdict(allowed, str(status.get("reason") or status.get("evaluationError") or ""))


def token_verdict(review: Mapping[str, Any], audiences: Sequence[str]) -> TokenVerdict:
    status = _status(review)
    if status.get("authenticated") is not True:
        return TokenVerdict(False, None, str(status.get("error") or "the token is not accepted"))
    confirmed: list[str] = status.get("audiences") or []
    if audiences and not set(confirmed) & set(audiences):
        # An API server that does not know audiences confirms none.
        return TokenVerdict(False, None, "the token is meant for another audience")
    return TokenVerdict(True, _user(status.get("user") or {}))


def user_info(review: Mapping[str, Any]) -> UserInfo:
    return _user(_status(review).get("userInfo") or {})


def _user(user: Mapping[str, Any]) -> UserInfo:
    extra: Mapping[str, list[str]] = user.get("extra") or {}
    return UserInfo(
        username=str(user.get("username") or ""),
        uid=str(user.get("uid") or ""),
        groups=tuple(user.get("groups") or ()),
        extra={key: tuple(values) for key, values in extra.items()},
    )


def _attributes(
    verb: str,
    resource: str,
    group: str,
    namespace: str | None,
    subresource: str = "",
    name: str = "",
) -> dict[str, Any]:
    if resource.startswith("/"):
        return {"nonResourceAttributes": {"verb": verb, "path": resource}}
    attributes = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace or "",
        "name": name,
    }
    return {"resourceAttributes": {key: value for key, value in attributes.items() if value}}


def _review(api_version: str, kind: str, spec: Mapping[str, Any] | None) -> dict[str, Any]:
    review: dict[str, Any] = {"apiVersion": api_version, "kind": kind}
    if spec is not None:
        review["spec"] = spec
    return review


def _status(review: Mapping[str, Any]) -> Mapping[str, Any]:
    return review.get("status") or {}
