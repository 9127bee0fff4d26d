"""Clients with the same TLS settings share a context, for as long as one of them lives."""

import gc

from aiops_mcp.backends import tls
from aiops_mcp.backends.tls import TlsSettings, ssl_context
from aiops_mcp.simulation.certificate import serving_certificate


def test_the_same_settings_share_a_context():
    authority = serving_certificate("127.0.0.1").authority_pem
    one = ssl_context(TlsSettings(ca_bundle=authority))
    assert ssl_context(TlsSettings(ca_bundle=authority)) is one
    assert ssl_context(TlsSettings(insecure=True)) is not one


def test_other_settings_share_none():
    names = (None, "a.example")
    insecure = [ssl_context(TlsSettings(insecure=True, server_name=name)) for name in names]
    assert insecure[0] is not insecure[1]


def test_what_nobody_uses_is_forgotten():
    settings = TlsSettings(ca_bundle=serving_certificate("127.0.0.1").authority_pem)
    context = ssl_context(settings)
    assert settings in tls._in_use
    del context
    gc.collect()
    assert settings not in tls._in_use
