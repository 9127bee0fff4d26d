"""Network faults that no local server can be made to show."""

import ssl

import httpx2
import pytest

from aiops_mcp.backends.faults import address, transport_fault
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import ClusterUnreachable


def caused(error, cause):
    error.__cause__ = cause
    return error


def ssl_error(reason):
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (
            caused(httpx2.ConnectError("x"), ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED")),
            "does not accept the client certificate",
            "kubeconfig with a client certificate",
        ),
        (
            caused(httpx2.ConnectError("x"), ssl_error("TLSV1_ALERT_PROTOCOL_VERSION")),
            "no TLS connection to https://k:6443 (tlsv1 alert protocol version)",
            "TLS port",
        ),
        (
            caused(httpx2.ConnectError("x"), ssl_error("WRONG_VERSION_NUMBER")),
            "does not speak TLS",
            "http://",
        ),
        (httpx2.ConnectError("x"), "during the TLS handshake", "TLS port"),
        (
            caused(httpx2.ConnectError("x"), OSError(113, "No route to host")),
            "no connection to https://k:6443",
            "network",
        ),
        (
            caused(
                httpx2.ConnectError("x"),
                ExceptionGroup("all failed", [ConnectionRefusedError(), ConnectionRefusedError()]),
            ),
            "refuses the connection",
            "Nothing listens there",
        ),
        (httpx2.ReadError("x"), "closed the connection before", "client certificate"),
    ],
)
def test_each_fault_has_its_own_words(error, said, hint):
    fault = transport_fault(Target("https://us:pw@k:6443/path", "kubernetes", "c1"), error)
    assert isinstance(fault, ClusterUnreachable)
    assert fault.message.startswith("kubernetes of cluster c1: ")
    assert said in fault.message
    assert hint in fault.hint
    assert "pw" not in str(fault)


def test_addresses_are_shown_without_path_and_userinfo():
    assert address(Target("https://u:p@[::1]:8443/x", "k", "c")) == "https://[::1]:8443"
    assert address(Target("http://h/x", "k", "c")) == "http://h"
