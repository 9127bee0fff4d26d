"""Changes of workloads and their configuration: rollouts, images, scaling, config, releases. Pure.

A rollout is a ReplicaSet or ControllerRevision that was made; a rollback is an old one that became
the newest revision. Who wrote a field, and when, stands in ``managedFields``. Of ConfigMaps and
Secrets only metadata is read, never data.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.fleet.object_fields import (
    Json,
    controller_of,
    created_at,
    entries,
    moment,
    name_of,
    namespace_of,
    number,
    one_line,
    section,
    text,
)
from aiops_mcp.models.findings import Change, ChangeKind

_REVISION = "deployment.kubernetes.io/revision"
_CAUSE = "kubernetes.io/change-cause"
_CONTROLLERS = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet"})
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_ROUTINE_NAMES = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})


@dataclass(frozen=True, slots=True)
class Window:
    """The changes from ``since`` until ``until`` are told."""

    since: datetime
    until: datetime

    def holds(self, at: datetime | None) -> bool:
        return at is not None and self.since <= at <= self.until


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of a workload's template; ``owner`` is its kind and name."""

    namespace: str | None
    owner: tuple[str, str]
    number: int
    created: datetime | None
    written: datetime | None
    images: tuple[str, ...]
    cause: str | None


def revision_of_set(thing: Json) -> Iterator[Revision]:
    """A ReplicaSet of a Deployment (or of whoever else makes revisions of them)."""
    owner = controller_of(thing)
    if owner is None:
        return
    annotations = section(thing, "metadata", "annotations")
    told = text(annotations, _REVISION)
    yield Revision(
        namespace_of(thing),
        owner,
        int(told) if told.isdigit() else 0,
        created_at(thing),
        last_write(thing)[0],
        _images(section(thing, "spec", "template", "spec")),
        text(annotations, _CAUSE) or None,
    )


def controller_revision(thing: Json) -> Iterator[Revision]:
    """A ControllerRevision of a StatefulSet or DaemonSet."""
    owner = controller_of(thing)
    if owner is not None:
        yield Revision(
            namespace_of(thing),
            owner,
            number(thing, "revision"),
            created_at(thing),
            last_write(thing)[0],
            _images(section(thing, "data", "spec", "template", "spec")),
            None,
        )


def _images(spec: Json) -> tuple[str, ...]:
    parts = [*entries(spec, "initContainers"), *entries(spec, "containers")]
    return tuple(f"{text(one, 'name')}={text(one, 'image')}" for one in parts)


def last_write(thing: Json) -> tuple[datetime | None, str | None]:
    """When somebody last wrote anything but the status, and who; controllers count last."""
    told = [
        (at, text(one, "manager"))
        for one in entries(thing, "metadata", "managedFields")
        if not text(one, "subresource") and (at := moment(one, "time")) is not None
    ]
    if not told:
        return None, None
    at, manager = max(told)
    if manager in _CONTROLLERS:
        people = [pair for pair in told if pair[1] not in _CONTROLLERS]
        manager = max(people)[1] if people else manager
    return at, manager or None


Writers = Mapping[tuple[str, str | None, str], str]
"""Who last wrote a workload, by kind, namespace and name."""


def rollouts(
    cluster_name: str, revisions: Iterable[Revision], window: Window, writers: Writers
) -> Iterator[Change]:
    """Every rollout in the window: the new images against the ones before."""
    by_owner: dict[tuple[str | None, tuple[str, str]], list[Revision]] = {}
    for revision in revisions:
        by_owner.setdefault((revision.namespace, revision.owner), []).append(revision)
    for (namespace, (kind, name)), own in by_owner.items():
        own.sort(key=lambda one: one.number)
        for place, revision in enumerate(own):
            at, what = _rollout(own, place, revision, window)
            if at is None:
                continue
            before = own[place - 1] if place else None
            said = [what, _image_change(before, revision)]
            said += [f"cause: {one_line(revision.cause, 80)}"] if revision.cause else []
            yield Change(
                at=at,
                cluster_name=cluster_name,
                change=ChangeKind.ROLLOUT,
                kind=kind,
                namespace=namespace,
                name=name,
                what="; ".join(part for part in said if part),
                by=writers.get((kind, namespace, name)),
            )


def _rollout(
    own: Sequence[Revision], place: int, revision: Revision, window: Window
) -> tuple[datetime | None, str]:
    if window.holds(revision.created):
        first = place == 0 and revision.number <= 1
        return revision.created, "created" if first else f"revision {revision.number}"
    is_newest = place == len(own) - 1
    others = [one.created for one in own if one is not revision and one.created]
    is_older = revision.created is not None and any(one > revision.created for one in others)
    if is_newest and is_older and window.holds(revision.written):
        return revision.written, f"rolled back, now revision {revision.number}"
    return None, ""


def _image_change(before: Revision | None, after: Revision) -> str:
    if before is None:
        return "image " + ", ".join(_short(image) for image in after.images[:3])
    old = dict(_parted(image) for image in before.images)
    changed = [
        f"{old.get(name, 'none')} -> {image}"
        for name, image in map(_parted, after.images)
        if old.get(name) != image
    ]
    if not changed:
        return "same images, template changed"
    return "image " + ", ".join(_shortened(pair) for pair in changed[:3])


def _parted(named: str) -> tuple[str, str]:
    name, _, image = named.partition("=")
    return name, image


def _short(image: str) -> str:
    return image.partition("=")[2].rpartition("/")[2]


def _shortened(pair: str) -> str:
    """``shop/web:1.2 -> 1.3`` where only the tag changed."""
    old, _, new = pair.partition(" -> ")
    repository, _, tag = new.rpartition(":")
    if repository and old.rpartition(":")[0] == repository and "/" not in tag:
        return f"{repository.rpartition('/')[2]}:{old.rpartition(':')[2]} -> {tag}"
    return pair


def config_change(cluster_name: str, kind: str, thing: Json, window: Window) -> Iterator[Change]:
    """A ConfigMap or Secret that was written; ``thing`` is metadata alone."""
    name, metadata = name_of(thing), section(thing, "metadata")
    annotations = section(metadata, "annotations")
    if name in _ROUTINE_NAMES or _LEADER in annotations:
        return
    if kind == "Secret" and text(metadata, "labels", "owner") == "helm":
        return  # told as a release
    at, manager = last_write(thing)
    born = created_at(thing)
    is_new = window.holds(born)
    at = born if at is None or (is_new and at == born) else at
    if at is not None and window.holds(at):
        yield Change(
            at=at,
            cluster_name=cluster_name,
            change=ChangeKind.CONFIG,
            kind=kind,
            namespace=namespace_of(thing),
            name=name,
            what="created" if is_new and at == born else "changed",
            by=manager,
        )


def helm_release(cluster_name: str, thing: Json, window: Window) -> Iterator[Change]:
    """A revision of a Helm release, from the labels of its Secret."""
    labels = section(thing, "metadata", "labels")
    at = created_at(thing)
    if text(labels, "owner") != "helm" or not text(labels, "name") or not window.holds(at):
        return
    if at is None:
        return
    yield Change(
        at=at,
        cluster_name=cluster_name,
        change=ChangeKind.RELEASE,
        kind="HelmRelease",
        namespace=namespace_of(thing),
        name=text(labels, "name"),
        what=f"revision {text(labels, 'version') or '?'} {text(labels, 'status')}".strip(),
        by="helm",
    )


def scaling(cluster_name: str, thing: Json, window: Window) -> Iterator[Change]:
    """An autoscaler that scaled its workload."""
    at = moment(thing, "status", "lastScaleTime")
    if at is None or not window.holds(at):
        return
    target = section(thing, "spec", "scaleTargetRef")
    wanted, most = number(thing, "status", "desiredReplicas"), number(thing, "spec", "maxReplicas")
    yield Change(
        at=at,
        cluster_name=cluster_name,
        change=ChangeKind.SCALING,
        kind=text(target, "kind") or "HorizontalPodAutoscaler",
        namespace=namespace_of(thing),
        name=text(target, "name") or name_of(thing),
        what=f"scaled to {wanted} replicas, of {most} at most",
        by=f"HorizontalPodAutoscaler/{name_of(thing)}",
    )


def job_start(cluster_name: str, thing: Json, window: Window) -> Iterator[Change]:
    """A Job that was started."""
    at = moment(thing, "status", "startTime") or created_at(thing)
    if at is None or not window.holds(at):
        return
    above = controller_of(thing)
    yield Change(
        at=at,
        cluster_name=cluster_name,
        change=ChangeKind.JOB,
        kind="Job",
        namespace=namespace_of(thing),
        name=name_of(thing),
        what="started",
        by="/".join(above) if above else None,
    )
