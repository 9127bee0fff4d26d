"""Kubeconfigs: which contexts are in one, one context alone, and how to reach its cluster.

Format: kubernetes.io "kubeconfig (v1)". Exec plugins are run by `exec_plugin` with the
``kubernetes`` package. A kubeconfig may name files and programs of the machine it was written on:
``local`` says whether that is this one, and the writer one of its users.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from aiops_mcp.backends.exec_plugin import ExecBearer
from aiops_mcp.backends.oidc import OidcBearer
from aiops_mcp.backends.tls import TlsSettings
from aiops_mcp.backends.tokens import file_token, fixed_token
from aiops_mcp.backends.wire import Bearer, Target
from aiops_mcp.errors import InvalidCredentials

MAX_BYTES = 4 * 1024 * 1024
_INLINED = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}

Section = dict[str, Any]


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
    document, _ = _load(source)
    current = document.get("current-context")
    found: list[KubeContext] = []
    for entry in _entries(document, "contexts"):
        body = _section(entry, "context")
        cluster = _named(document, "clusters", "cluster", body.get("cluster"))
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


def split_context(source: str | Path, name: str | None = None) -> str:
    """One context (default: the current one) as a kubeconfig of its own, as YAML.

    Certificates and keys are put inline; a token file and a relative exec command become
    absolute paths, as their content changes.

    Raises:
        InvalidCredentials: no such context, or a file that it names cannot be read.
    """
    document, folder = _load(source)
    chosen = _Chosen.of(document, name)
    cluster = _inlined(chosen.cluster, folder)
    user = _inlined(chosen.user, folder)
    if isinstance(user.get("tokenFile"), str) and folder is not None:
        user["tokenFile"] = str((folder / user["tokenFile"]).absolute())
    plugin = _section(user, "exec")
    command = plugin.get("command")
    if isinstance(command, str) and "/" in command and folder is not None:
        user["exec"] = {**plugin, "command": str((folder / command).absolute())}
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
    """The whole kubeconfig with the certificate files that it names put inline, as YAML.

    A file that cannot be read stays named: the context that needs it fails when it is used.

    Raises:
        InvalidCredentials: it is no kubeconfig.
    """
    document, folder = _load(source)
    for plural, singular in (("clusters", "cluster"), ("users", "user")):
        for entry in _entries(document, plural):
            try:
                entry[singular] = _inlined(_section(entry, singular), folder)
            except InvalidCredentials:
                continue
    return yaml.safe_dump(document, sort_keys=False)


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
    document, folder = _load(source)
    chosen = _Chosen.of(document, context)
    if not local:
        _refuse_local(chosen)
    place = _inlined(chosen.cluster, folder)
    user = _inlined(chosen.user, folder)
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
            ca_bundle=_pem(place, "certificate-authority-data"),
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
        context = _named(document, "contexts", "context", wanted)
        if not wanted or context is None:
            known = ", ".join(str(e["name"]) for e in _entries(document, "contexts")[:20])
            raise InvalidCredentials(
                f"The kubeconfig has no context {wanted!r}."
                if wanted
                else "The kubeconfig has no current context.",
                f"Its contexts: {known or 'none'}.",
            )
        cluster = _named(document, "clusters", "cluster", context.get("cluster"))
        if cluster is None or not isinstance(cluster.get("server"), str):
            raise InvalidCredentials(
                f"Context {wanted!r} of the kubeconfig names no cluster with a server.",
                "Look at it with: kubectl config view",
            )
        user = _named(document, "users", "user", context.get("user"))
        return cls(str(wanted), context, cluster, user or {})


async def _identity(
    user: Section, place: Section, folder: Path | None
) -> tuple[Bearer | None, str | None, str | None]:
    """Bearer, certificate and key; client-go's order: a token file wins over a token."""
    cert, key = _pem(user, "client-certificate-data"), _pem(user, "client-key-data")
    if plugin := _section(user, "exec"):
        bearer = ExecBearer(plugin, place, folder)
        issued = await bearer.certificate()
        return (bearer, *issued) if issued else (bearer, cert, key)
    if isinstance(user.get("tokenFile"), str):
        return file_token((folder or Path()) / user["tokenFile"]), cert, key
    if isinstance(user.get("token"), str):
        return fixed_token(user["token"]), cert, key
    if provider := _section(user, "auth-provider"):
        return _provider_bearer(provider), cert, key
    return None, cert, key


def _provider_bearer(provider: Section) -> Bearer:
    if provider.get("name") != "oidc":
        raise InvalidCredentials(
            f"The kubeconfig's auth-provider {provider.get('name')!r} is not supported.",
            "Kubernetes 1.26 removed it; use the exec plugin that took its place.",
        )
    config = {key: str(value) for key, value in _section(provider, "config").items()}
    ca = _pem(config, "idp-certificate-authority-data")
    renamed = {key.removeprefix("idp-").replace("-", "_"): value for key, value in config.items()}
    return OidcBearer(renamed, ca_bundle=ca)


def _refuse_local(chosen: _Chosen) -> None:
    """What somebody else wrote may not make us read our files or run our programs."""
    sections = (chosen.cluster, chosen.user)
    named = [key for key in (*_INLINED, "tokenFile") for one in sections if key in one]
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


def _load(source: str | Path) -> tuple[Section, Path | None]:
    """The document, and the folder that its relative paths start from."""
    folder: Path | None = None
    text: str
    if isinstance(source, Path):
        folder = source.absolute().parent
        text = _file_text(source)
    else:
        text = source
    if len(text) > MAX_BYTES:
        raise InvalidCredentials("The kubeconfig is larger than 4 MB.", "Give the right file.")
    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" (line {line + 1})" if isinstance(line, int) else ""
        # The parser's own message would quote the text, which may be a token.
        raise InvalidCredentials(
            f"The kubeconfig is not YAML{where}.", "Check it with: kubectl config view"
        ) from None
    if not isinstance(document, dict) or not isinstance(
        cast("Section", document).get("contexts"), list
    ):
        raise InvalidCredentials(
            "This is no kubeconfig: it has no list of contexts.",
            "Check it with: kubectl config view",
        )
    return cast("Section", document), folder


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidCredentials(
            f"{path} cannot be read: {reason}.", "Check the path and its permissions."
        ) from error


def _inlined(section: Section, folder: Path | None) -> Section:
    """The section with its certificate files put inline; data that is there already wins."""
    inlined = dict(section)
    for file_key, data_key in _INLINED.items():
        named = inlined.pop(file_key, None)
        if isinstance(named, str) and named and not inlined.get(data_key):
            content = _file_text((folder or Path()) / named)
            inlined[data_key] = base64.b64encode(content.encode()).decode()
    return inlined


def _pem(section: Mapping[str, Any], key: str) -> str | None:
    value = section.get(key)
    if not value:
        return None
    try:
        return base64.b64decode(str(value), validate=False).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidCredentials(
            f"The kubeconfig's {key} is not base64 of a PEM text.",
            "Take the kubeconfig anew: kubectl config view --raw --minify --flatten",
        ) from error


def _entries(document: Section, key: str) -> list[Section]:
    found: list[Any] = document.get(key) or []
    return [one for one in found if isinstance(one, dict) and "name" in one]


def _named(document: Section, plural: str, singular: str, name: Any) -> Section | None:
    for entry in _entries(document, plural):
        if entry["name"] == name:
            return _section(entry, singular)
    return None


def _section(section: Mapping[str, Any], key: str) -> Section:
    value = section.get(key)
    return cast("Section", value) if isinstance(value, dict) else {}
