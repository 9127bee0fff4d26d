"""From what a caller wrote (po, Pod, deployments.apps, apps/v1/Deployment) to a kind. Pure."""

import difflib
from collections.abc import Sequence

from aiops_mcp.backends.kubernetes_kinds import ApiKind
from aiops_mcp.backends.kubernetes_paths import segment
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.naming import near_names

_NEAR = 5
_SHOWN = 80

# Where several groups have a kind of the same name, these are meant first.
_USUAL_GROUPS = ("", "apps", "batch", "autoscaling", "networking.k8s.io", "policy")


class KindUnknown(InputError):
    """The cluster has no such kind; ``near`` are names like it."""

    def __init__(self, wanted: str, near: Sequence[str]) -> None:
        shown = wanted if len(wanted) <= _SHOWN else f"{wanted[:_SHOWN]}…"
        hint = f"Near names: {', '.join(near)}." if near else "Use a name that kubectl knows."
        super().__init__(f"There is no kind {shown!r}.", hint, details={"near": list(near)})
        self.near = tuple(near)


def find_kind(kinds: Sequence[ApiKind], wanted: str) -> ApiKind:
    """The kind meant, in any spelling that kubectl takes, and ``group/version/Kind``.

    Raises:
        KindUnknown: there is none; the error names near ones.
    """
    text = wanted.strip().lower()
    matching = [kind for kind in kinds if text in _spellings(kind)]
    if not matching:
        raise KindUnknown(wanted.strip(), near_kinds(kinds, text))
    return min(matching, key=_rank)


def has_kind(kinds: Sequence[ApiKind], qualified: str) -> ApiKind | None:
    """The kind of this ``plural.group`` or plural of the core group, where the cluster has it."""
    return next((kind for kind in kinds if kind.qualified == qualified), None)


def near_kinds(kinds: Sequence[ApiKind], text: str) -> tuple[str, ...]:
    """Names like the one wanted: spelt alike, then those it is a part of."""
    short = text.strip().lower()[:_SHOWN].split("/")[-1].split(".")[0]
    names: dict[str, str] = {}
    for kind in sorted(kinds, key=_rank):
        for spelling in (kind.plural, kind.singular):
            names.setdefault(spelling, kind.qualified)
    close = difflib.get_close_matches(short, list(names), n=_NEAR, cutoff=0.6)
    parts = [name for name in names if len(short) > 1 and short in name]
    return tuple(dict.fromkeys(names[name] for name in (*close, *parts)))[:_NEAR]


def near_objects(wanted: str, names: Sequence[str]) -> tuple[str, ...]:
    """Names like the wanted one; of a pod that is gone, those that took its place."""
    known = list(dict.fromkeys(names))
    near = near_names(wanted, known)
    workload = wanted.strip().lower().rsplit("-", 2)[0]
    heirs = [name for name in known if workload and name.startswith(f"{workload}-")]
    return tuple(dict.fromkeys((*near, *heirs)))[:_NEAR]


def list_path(kind: ApiKind, namespace: str | None, name: str | None = None) -> str:
    """The path of a kind's list in a namespace, or of one object.

    Raises:
        InputError: a name would lead elsewhere.
    """
    path = kind.path(segment(namespace) if namespace else None)
    return path if name is None else f"{path}/{segment(name)}"


def _spellings(kind: ApiKind) -> set[str]:
    names = {kind.plural, kind.singular, kind.kind.lower(), *map(str.lower, kind.short_names)}
    qualified = {
        f"{name}.{rest}"
        for name in names
        for rest in (kind.group, f"{kind.version}.{kind.group}", kind.api_version)
        if kind.group
    }
    return names | qualified | {f"{kind.api_version}/{name}" for name in names}


def _rank(kind: ApiKind) -> tuple[int, str]:
    usual = kind.group in _USUAL_GROUPS
    return (_USUAL_GROUPS.index(kind.group) if usual else len(_USUAL_GROUPS), kind.group)
