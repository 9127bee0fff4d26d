"""TLS as a client needs it: whom to trust, and with which certificate to identify.

Contexts are made from PEM text, never from a path the caller does not own. A context with one CA
costs 0.75 ms and 21 KB; the system's trust store 57 ms and 840 KB, so that one is shared.
"""

import functools
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from aiops_mcp.errors import InvalidCredentials


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """PEM texts; ``ca_bundle`` None means the system's trust store.

    ``server_name`` is the name to expect in the certificate where it is not the URL's host.
    ``insecure`` turns verification off (labs only).
    """

    ca_bundle: str | None = None
    client_cert: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    insecure: bool = False
    server_name: str | None = None


def ssl_context(tls: TlsSettings) -> ssl.SSLContext:
    """A client context for these settings.

    Raises:
        InvalidCredentials: a PEM text cannot be used; the message says which.
    """
    if tls.client_cert is None and tls.ca_bundle is None and not tls.insecure:
        return _system_context()
    context = _in_use.get(tls)
    if context is None:
        context = _trusting(tls)
        if tls.client_cert is not None:
            _identify(context, tls.client_cert, tls.client_key)
        _in_use[tls] = context
    return context


_in_use: WeakValueDictionary[TlsSettings, ssl.SSLContext] = WeakValueDictionary()
"""The clients of one cluster share a context; it is forgotten, key and all, with the last."""


@functools.cache
def unused_context() -> ssl.SSLContext:
    """For plain HTTP, where loading a trust store would be wasted."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@functools.cache
def _system_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _trusting(tls: TlsSettings) -> ssl.SSLContext:
    if tls.insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if tls.ca_bundle is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=tls.ca_bundle)
    except (ssl.SSLError, ValueError, UnicodeEncodeError) as error:
        raise InvalidCredentials(
            "The CA bundle holds no certificate that can be read.",
            "Give the CA as PEM text (-----BEGIN CERTIFICATE-----), several below one another.",
        ) from error
    return context


def _identify(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Load a client certificate; ``ssl`` takes only files, so one lives as short as possible."""
    with tempfile.TemporaryDirectory(prefix="aiops-") as folder:  # 0700
        cert_file = Path(folder) / "cert.pem"
        cert_file.write_text(cert, encoding="utf-8")
        key_file: Path | None = None
        if key is not None:
            key_file = Path(folder) / "key.pem"
            key_file.write_text(key, encoding="utf-8")
        try:
            # An encrypted key would make OpenSSL ask on the terminal; an empty answer fails.
            context.load_cert_chain(cert_file, key_file, password="")
        except (ssl.SSLError, ValueError) as error:
            raise InvalidCredentials(
                "The client certificate and its key cannot be used together.",
                "Give both as unencrypted PEM text, the key being that of the certificate.",
            ) from error
