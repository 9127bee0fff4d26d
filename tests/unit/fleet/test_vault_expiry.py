"""When credentials end, read from certificates and JWTs."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aiops_mcp.fleet.expiry import expiry_of, with_expiry
from aiops_mcp.models.cluster import AuthType, ClusterCredentials

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


def jwt(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln"


def certificate(end):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def kubeconfig(user, current="main"):
    return yaml.safe_dump(
        {
            "current-context": current,
            "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
            "users": [
                {"name": "other", "user": {"token": jwt(exp=1)}},
                {"name": "u", "user": user},
            ],
        }
    )


def credentials(**fields):
    return ClusterCredentials(**{"auth_type": AuthType.KUBECONFIG, "created_at": NOW, **fields})


def test_a_jwt_tells_its_end():
    assert expiry_of(credentials(token=jwt(exp=int(LATER.timestamp())))) == LATER


def test_a_client_certificate_tells_its_end():
    text = kubeconfig({"client-certificate-data": certificate(LATER)})
    assert expiry_of(credentials(kubeconfig=text)) == LATER


def test_the_earliest_of_all_counts():
    text = kubeconfig(
        {"client-certificate-data": certificate(LATER), "token": jwt(exp=LATER.timestamp() - 5)}
    )
    given = credentials(kubeconfig=text, loki_token=jwt(exp=LATER.timestamp() - 9))
    assert expiry_of(given) == LATER - timedelta(seconds=9)


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b", "a.b.c", "..", jwt(), jwt(exp="x"), jwt(exp=None), jwt(exp=1e300), "é.é.é"],
)
def test_tokens_that_tell_nothing(token):
    assert expiry_of(credentials(token=token)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "just text",
        "[1, 2]",
        "a: 1",
        "[" * 5000,
        kubeconfig({}, current="nowhere"),
        kubeconfig(None),
        kubeconfig({"client-certificate-data": "!!"}),
        kubeconfig({"client-certificate-data": "aGVsbG8="}),
        kubeconfig({"exec": {"command": "aws"}}),
        "current-context: a\ncontexts: [{name: a, context: {user: [1]}}]\nusers: []",
    ],
)
def test_kubeconfigs_that_tell_nothing(text):
    assert expiry_of(credentials(kubeconfig=text)) is None


def test_what_somebody_said_stands():
    said = credentials(token=jwt(exp=1), expires_at=LATER)
    assert with_expiry(said) is said
    assert with_expiry(credentials(token=jwt(exp=0))).expires_at == datetime(1970, 1, 1, tzinfo=UTC)
