"""Kubeconfigs: which contexts are in one, one context alone, and how to reach its cluster.

Format: kubernetes.io "kubeconfig (v1)". Exec plugins are run by `exec_plugin` with the
``kubernetes`` package. A kubeconfig may name files and programs of the machine it was written on:
``local`` says whether that is this one, and the writer one of its users.
"""

import base64
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from aiops_mcp.backends.exec_plugin import ExecBearer
from aiops_mcp.backends.kubeconfig_document import (
    FILE_KEYS,
    Section,
    entries,
    inlined_files,
    load,
    named_section,
    pem,
    section,
)
from aiops_mcp.backends.oidc import OidcBearer
from aiops_mcp.backends.tls import TlsSettings
from aiops_mcp.backends.tokens import FileToken, fixed_token
from aiops_mcp.backends.wire import Bearer, Target
from aiops_mcp.errors import InvalidCredentials


@dataclass(frozen=True, slots=True)
class KubeContext:
    """One context; ``cluster`` and ``user`` are names inside the kubeconfig."""

    name: str
    cluster: str
    user: str
    namespace: str | None
    server: str
    is_current: bool = False


def contexts(source: str | Path) -> list[KubeContext]:
    """The contexts of a kubeconfig, given as YAML text or as the path of a file.

    Raises:
        InvalidCredentials: it cannot be read; contexts that lead nowhere are left out.
    """
    document, _ = load(source)
    current = document.get("current-context")
    found: list[KubeContext] = []
    for entry in entries(document, "contexts"):
        body = section(entry, "context")
        cluster = named_section(document, "clusters", "cluster", body.get("cluster"))
        if cluster is None or not isinstance(cluster.get("server"), str):
            continue
        found.append(
            KubeContext(
                name=str(entry["name"]),
                cluster=str(body.get("cluster")),
                user=str(body.get("user") or ""),
                namespace=body.get("namespace"),
                server=str(cluster["server"]).rstrip("/"),
                is_current=entry["name"] == current,
            )
        )
    return found


def broken_contexts(source: str | Path) -> tuple[str, ...]:
    """The contexts that `contexts` leaves out: they name no cluster, or one without a server."""
    whole = {each.name for each in contexts(source)}
    document, _ = load(source)
    names = (str(entry["name"]) for entry in entries(document, "contexts"))
    return tuple(name for name in names if name not in whole)


def split_context(source: str | Path, name: str | None = None) -> str:
    """One context (default: the current one) as a kubeconfig of its own, as YAML.

    Certificates and keys are put inline; a token file and a relative exec command become
    absolute paths, as their content changes.

    Raises:
        InvalidCredentials: no such context, or a file that it names cannot be read.
    """
    document, folder = load(source)
    chosen = _Chosen.of(document, name)
    cluster = inlined_files(chosen.cluster, folder)
    user = _portable(chosen.user, folder)
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": chosen.name,
            "contexts": [{"name": chosen.name, "context": chosen.context}],
            "clusters": [{"name": chosen.context["cluster"], "cluster": cluster}],
            "users": [{"name": chosen.context.get("user") or "", "user": user}],
        },
        sort_keys=False,
    )


def inlined(source: str | Path) -> str:
    """The whole kubeconfig, to be read elsewhere: its files put inline as `split_context` does.

    A file that cannot be read stays named: the context that needs it fails when it is used.

    Raises:
        InvalidCredentials: it is no kubeconfig.
    """
    document, folder = load(source)
    for plural, singular, carry in (
        ("clusters", "cluster", inlined_files),
        ("users", "user", _portable),
    ):
        for entry in entries(document, plural):
            with suppress(InvalidCredentials):
                entry[singular] = carry(section(entry, singular), folder)
    return yaml.safe_dump(document, sort_keys=False)


def _portable(user: Section, folder: Path | None) -> Section:
    """The user with certificates inline, and absolute paths to what changes."""
    portable = inlined_files(user, folder)
    if folder is None:
        return portable
    if isinstance(portable.get("tokenFile"), str):
        portable["tokenFile"] = str((folder / portable["tokenFile"]).absolute())
    plugin = section(portable, "exec")
    command = plugin.get("command")
    if isinstance(command, str) and "/" in command:
        portable["exec"] = {**plugin, "command": str((folder / command).absolute())}
    return portable


async def target(
    source: str | Path,
    *,
    cluster: str,
    context: str | None = None,
    backend: str = "kubernetes",
    local: bool = True,
) -> Target:
    """How to reach the API server of a context (default: the current one).

    An exec plugin is run once here, as it may give a certificate instead of a token.

    Raises:
        InvalidCredentials: it cannot be used; the message says what is missing.
    """
    document, folder = load(source)
    chosen = _Chosen.of(document, context)
    if not local:
        _refuse_local(chosen)
    place = inlined_files(chosen.cluster, folder)
    user = inlined_files(chosen.user, folder)
    bearer, cert, key = await _identity(user, place, folder)
    headers = {**_basic(user), **_impersonation(user)}
    return Target(
        base_url=str(place["server"]),
        name=backend,
        cluster=cluster,
        headers=headers,
        bearer=bearer,
        proxy=place.get("proxy-url"),
        tls=TlsSettings(
            ca_bundle=pem(place, "certificate-authority-data"),
            client_cert=cert,
            client_key=key,
            insecure=place.get("insecure-skip-tls-verify") is True,
            server_name=place.get("tls-server-name"),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    name: str
    context: Section
    cluster: Section
    user: Section

    @classmethod
    def of(cls, document: Section, name: str | None) -> "_Chosen":
        wanted = name or document.get("current-context")
        context = named_section(document, "contexts", "context", wanted)
        if not wanted or context is None:
            known = ", ".join(str(e["name"]) for e in entries(document, "contexts")[:20])
            raise InvalidCredentials(
                f"The kubeconfig has no context {wanted!r}."
                if wanted
                else "The kubeconfig has no current context.",
                f"Its contexts: {known or 'none'}.",
            )
        cluster = named_section(document, "clusters", "cluster", context.get("cluster"))
        if cluster is None or not isinstance(cluster.get("server"), str):
            raise InvalidCredentials(
                f"Context {wanted!r} of the kubeconfig names no cluster with a server.",
                "Look at it with: kubectl config view",
            )
        user = named_section(document, "users", "user", context.get("user"))
        if user is None and context.get("user"):
            raise InvalidCredentials(
                f"Context {wanted!r} of the kubeconfig names a user that is not in it.",
                "Look at it with: kubectl config view",
            )
        return cls(str(wanted), context, cluster, user or {})


async def _identity(
    user: Section, place: Section, folder: Path | None
) -> tuple[Bearer | None, str | None, str | None]:
    """Bearer, certificate and key; client-go's order: a token file wins over a token."""
    cert, key = pem(user, "client-certificate-data"), pem(user, "client-key-data")
    if plugin := section(user, "exec"):
        bearer = ExecBearer(plugin, place, folder)
        issued = await bearer.certificate()
        return (bearer, *issued) if issued else (bearer, cert, key)
    if isinstance(user.get("tokenFile"), str):
        return FileToken((folder or Path()) / user["tokenFile"]), cert, key
    if isinstance(user.get("token"), str):
        return fixed_token(user["token"]), cert, key
    if provider := section(user, "auth-provider"):
        return _provider_bearer(provider), cert, key
    return None, cert, key


def _provider_bearer(provider: Section) -> Bearer:
    if provider.get("name") != "oidc":
        raise InvalidCredentials(
            f"The kubeconfig's auth-provider {provider.get('name')!r} is not supported.",
            "Kubernetes 1.26 removed it; use the exec plugin that took its place.",
        )
    config = {key: str(value) for key, value in section(provider, "config").items()}
    ca = pem(config, "idp-certificate-authority-data")
    renamed = {key.removeprefix("idp-").replace("-", "_"): value for key, value in config.items()}
    return OidcBearer(renamed, ca_bundle=ca)


def _refuse_local(chosen: _Chosen) -> None:
    """What somebody else wrote may not make us read our files or run our programs."""
    sections = (chosen.cluster, chosen.user)
    named = [key for key in (*FILE_KEYS, "tokenFile") for one in sections if key in one]
    named += ["exec"] if "exec" in chosen.user else []
    if named:
        raise InvalidCredentials(
            f"The kubeconfig names files or programs of another machine ({', '.join(named)}).",
            "Import it on that machine with aiops clusters import, or store one with a token.",
        )


def _basic(user: Section) -> dict[str, str]:
    if not isinstance(user.get("username"), str):
        return {}
    pair = f"{user['username']}:{user.get('password') or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _impersonation(user: Section) -> dict[str, str]:
    groups: list[str] = user.get("as-groups") or []
    if len(groups) > 1 or user.get("as-user-extra"):
        raise InvalidCredentials(
            "The kubeconfig impersonates several groups or extra fields, which is not supported.",
            "Use a token of the account itself.",
        )
    headers = {"Impersonate-User": user.get("as"), "Impersonate-Uid": user.get("as-uid")}
    headers["Impersonate-Group"] = groups[0] if groups else None
    return {key: str(value) for key, value in headers.items() if value}
