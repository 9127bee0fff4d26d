"""Takes secrets and unprintable characters out of text and JSON that leaves the process.

Pure: structure first (names of fields that hold secrets, Kubernetes Secrets, environment
variables), then patterns (tokens, keys, passwords in text). A placeholder is stable while the
process lives, so that a reader sees where the same secret stands twice, and nobody can guess it.
"""

import re
import secrets as random_secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import orjson

_KEY = random_secrets.token_bytes(16)

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"  # bidi and zero-width
    "\u2028\u2029\ud800-\udfff\U000e0000-\U000e007f]"  # separators, lone surrogates, tags
)

_TRIGGER = re.compile(
    r"(?i:pass|pwd|secret|token|key|bearer|basic|auth|cookie)"
    r"|eyJ|://|AKIA|ASIA|gh[pousr]_|glpat-|xox[abprs]-|AIza|hf_|sk-|sha256~"
    r"|[sr]k_|npm_|pypi-|SG\.|hv[sbr]\.|ya29\.|do[opr]_v1_|(?i:sig=|signature=|credential)"
)

_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._/:%+-]{0,80}")

# Names that hold a secret whatever the value looks like. What stands before them in the name is
# not matched, and every run that others may stretch is bounded: or a long text takes minutes.
_STRONG = (
    r"(?<!\[redacted:)(?:password|passwd|passphrase|client[_-]?secret|secret[_-]?(?:access[_-]?)?key"
    r"|api[_-]?key|private[_-]?key|client-key-data|access[_-]?token|refresh[_-]?token|id[_-]?token"
    r"|bearer[_-]?token|auth[_-]?token)"
)
_SEPARATOR = r"\\?[\"']?\s*[:=]\s*\\?[\"']?"

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "private-key",
        re.compile(
            r"()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
            re.DOTALL,
        ),
    ),
    ("token", re.compile(r"()(\beyJ[\w-]{8,2000}\.[\w-]{8,}\.[\w-]*)")),
    ("token", re.compile(r"()(\beyJ[\w-]{8,2000}\.eyJ[\w-]{8,})")),  # cut off by a line's limit
    (
        "cookie",
        re.compile(
            r"(?i)(\b(?:set-)?cookie\\?[\"']?\s{0,9}[:=]\s{0,9}\\?[\"']?)"
            r"(?!\[redacted:)([^\s\"'=;:\\]{1,200}=[^\r\n\"'\\]*)"
        ),
    ),
    (
        "token",
        re.compile(
            r"(?i)(authorization" + _SEPARATOR + r"(?:bearer|basic|token)\s+)"
            r"(?!\[redacted:)([^\s\"'\\]+)"
        ),
    ),
    ("token", re.compile(r"(?i)(\b(?:bearer|basic)\s+)(?=[^\s\"']{0,200}[0-9=])([\w.~+/=-]{12,})")),
    (
        "userinfo",
        re.compile(
            r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)(?!\[redacted:)([^\s/@:\"']*:[^\s/@\"']+)(?=@)"
        ),
    ),
    (
        "userinfo",
        re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)(?!\[redacted:)([^\s/@:\"']{16,})(?=@)"),
    ),
    ("aws-key", re.compile(r"()(\b(?:AKIA|ASIA)[0-9A-Z]{16}\b)")),
    (
        "token",
        re.compile(
            r"()(\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
            r"|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|sk-[\w-]{20,}"
            r"|sha256~[\w-]{20,}|[sr]k_(?:live|test)_\w{16,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{16,}"
            r"|SG\.[\w-]{16,}\.[\w-]{16,}|hv[sbr]\.[\w-]{20,}|ya29\.[\w-]{20,}"
            r"|do[opr]_v1_[0-9a-f]{40,}))"
        ),
    ),
    (
        "token",
        re.compile(r"(https://hooks\.slack\.com/(?:services|workflows)/)([\w/-]{10,})"),
    ),
    (
        "token",
        re.compile(
            r"(?i)([?&](?:sig|signature|x-(?:amz|goog)-signature|access_token)=)"
            r"(?!\[redacted:)([^\s&\"'<>]{8,})"
        ),
    ),
    (  # Connection strings: everything up to the next part.
        "password",
        re.compile(
            r"(?i)(\b(?:accountkey|sharedaccesskey|pwd)\s{0,9}=\s{0,9})"
            r"(?!\[redacted:)([^\s;\"']{4,})"
        ),
    ),
    (  # Variables of the environment, by the ending of their name.
        "password",
        re.compile(
            r"(\b[A-Z][A-Z0-9_]{0,60}_(?:PASS|PWD|SECRET|TOKEN|KEY|CREDENTIALS?)"
            + _SEPARATOR
            + r")"
            r"(?!\[redacted:)([^\s\"'\\&;,)}\]]{6,})"
        ),
    ),
    (
        "password",
        re.compile(
            r"(?i)(--(?:password|passwd|token|secret|api-key|client-secret)\s{1,9})"
            r"(?!\[redacted:)(?![A-Z_<.]+(?:\s|$))(?!-)([^\s\"']{6,})"
        ),
    ),
    (  # Within quotes a password may hold spaces.
        "password",
        re.compile(
            r"(?i)("
            + _STRONG
            + r"\\?[\"']?\s{0,9}[:=]\s{0,9}\")(?!\[redacted:)([^\"\\\n]{3,200})(?=\")"
        ),
    ),
    (
        "password",
        re.compile(
            r"(?i)(\"auth\\?\"\s{0,9}:\s{0,9}\\?\")(?!\[redacted:)([A-Za-z0-9+/]{8,2000}={0,2})"
        ),
    ),
    (
        "password",
        re.compile(
            r"(?i)(\b(?:api|app|auth|jwt|shared|signing|webhook|session|consumer)[_-]secret"
            + _SEPARATOR
            + r")(?!\[redacted:)([^\s\"'\\&;,)}\]]{4,})"
        ),
    ),
    (
        "password",
        re.compile(r"(?i)(" + _STRONG + _SEPARATOR + r")(?!\[redacted:)([^\s\"'\\&;,)}\]]{3,})"),
    ),
    (
        "token",
        re.compile(
            r"(?i)((?<!\[redacted:)\btoken"
            + _SEPARATOR
            + r")(?!\[redacted:)(?=[^\s\"']{0,200}[0-9])([\w.~+/=-]{16,})"
        ),
    ),
)

_SENSITIVE_NAMES = frozenset(
    {
        "authorization", "proxyauthorization", "cookie", "setcookie", "password", "passwd",
        "passphrase", "token", "apikey", "xapikey", "privatekey", "secretkey", "clientkeydata",
        "kubeconfig", "stringdata",
    }
)  # fmt: skip
_SENSITIVE_ENDINGS = (
    "password", "passwd", "clientsecret", "accesstoken", "refreshtoken", "idtoken", "bearertoken",
    "authtoken", "apitoken", "sessiontoken", "apikey", "privatekey", "secretkey",
    "secretaccesskey", "connectionstring", "apisecret", "appsecret", "authsecret", "jwtsecret",
    "sharedsecret", "signingsecret", "webhooksecret", "sessionsecret", "consumersecret",
    "accountkey", "sharedaccesskey", "encryptionkey",
)  # fmt: skip
_SECRET_VARIABLE = re.compile(r"[A-Z0-9_]*(?:PASS|PWD|SECRET|TOKEN|KEY|CREDENTIALS?|DSN|COOKIE)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_LAST_APPLIED = "last-applied-configuration"
_NOT_IN_NAME = re.compile(r"[^a-z0-9]")


def placeholder(kind: str, secret: str) -> str:
    """What stands for a secret: ``[redacted:token:1a2b]``, the same for the same secret."""
    return f"[redacted:{kind}:{blake2b(secret.encode(), key=_KEY, digest_size=2).hexdigest()}]"


def strip_unprintable(text: str) -> str:
    """The text without terminal escapes, control, bidirectional and zero-width characters."""
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("", _ESCAPES.sub("", text).encode("utf-8", "replace").decode())


def redact_text(text: str) -> str:
    """The text with every secret that has a recognisable form replaced by a placeholder."""
    if not _TRIGGER.search(text):
        return text
    for kind, pattern in _PATTERNS:
        text = pattern.sub(_replacement(kind), text)
    return text


def _replacement(kind: str) -> Callable[[re.Match[str]], str]:
    return lambda match: match.group(1) + placeholder(kind, match.group(2))


@lru_cache(maxsize=4096)
def is_sensitive_name(name: str) -> bool:
    """Whether a field, header or variable of this name holds a secret."""
    plain = _NOT_IN_NAME.sub("", name.lower())
    return plain in _SENSITIVE_NAMES or plain.endswith(_SENSITIVE_ENDINGS)


def is_plain_name(text: str) -> bool:
    """Whether a text is a short name in which nothing can hide: most cells are."""
    return _PLAIN_NAME.fullmatch(text) is not None and not _TRIGGER.search(text)


def clean_text(text: str) -> str:
    """Strip, then redact: an escape in the middle of a token must not hide it."""
    return redact_text(strip_unprintable(text))


def clean_json(value: Any) -> Any:
    """A copy of a JSON value without secrets; numbers, booleans and null stay as they are."""
    return _clean(value, {})


def _clean(value: Any, known: dict[str, str]) -> Any:
    """``known`` holds texts cleaned before in this value: labels repeat in every series."""
    if isinstance(value, str):
        return _clean_known(value, known)
    if isinstance(value, Mapping):
        return _clean_mapping(cast("Mapping[str, Any]", value), known)
    if isinstance(value, list | tuple):
        return [_clean(item, known) for item in cast("list[Any]", value)]
    return value


def _clean_known(text: str, known: dict[str, str]) -> str:
    if _NUMBER.fullmatch(text):
        return text
    cleaned = known.get(text)
    if cleaned is None:
        cleaned = known[text] = clean_text(text)
    return cleaned


def _clean_mapping(
    value: Mapping[str, Any], known: dict[str, str], *, is_secret: bool = False
) -> dict[str, Any]:
    kind, name = value.get("kind"), value.get("name")
    is_secret = is_secret or kind == "Secret"
    hides_value = isinstance(name, str) and "value" in value and _is_secret_variable(name)
    cleaned: dict[str, Any] = {}
    for key, item in value.items():
        hidden = (
            is_sensitive_name(key)
            or (is_secret and key in ("data", "stringData"))
            or (hides_value and key == "value")
            or (key == "auth" and isinstance(item, str) and _BASE64.fullmatch(item) is not None)
        )
        if hidden:
            kept = _hide(item)
        elif kind == "SecretList" and key == "items" and isinstance(item, list):
            kept = [_clean_secret(each, known) for each in cast("list[Any]", item)]
        elif key.endswith(_LAST_APPLIED) and isinstance(item, str):
            kept = _clean_document(item, known)
        else:
            kept = _clean(item, known)
        cleaned[_clean_known(key, known)] = kept
    return cleaned


def _clean_secret(item: Any, known: dict[str, str]) -> Any:
    if not isinstance(item, Mapping):
        return _hide(item)
    return _clean_mapping(cast("Mapping[str, Any]", item), known, is_secret=True)


def _is_secret_variable(name: str) -> bool:
    return is_sensitive_name(name) or _SECRET_VARIABLE.fullmatch(name) is not None


def _clean_document(text: str, known: dict[str, str]) -> str:
    """JSON within a text, as ``kubectl apply`` leaves a whole Secret in an annotation."""
    try:
        document: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return clean_text(text)
    return orjson.dumps(_clean(document, known)).decode()


def _hide(value: Any) -> Any:
    if isinstance(value, str):
        return (
            value if not value or value.startswith("[redacted:") else placeholder("secret", value)
        )
    if isinstance(value, Mapping):
        return {name: _hide(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_hide(item) for item in cast("list[Any]", value)]
    return value
