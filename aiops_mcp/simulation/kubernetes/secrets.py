"""The only objects that are stored: Secrets, in memory, with the verbs a vault needs."""

import base64
import binascii
from collections.abc import Callable

from aiops_mcp.simulation.inventory import uid_of
from aiops_mcp.simulation.kubernetes import faults
from aiops_mcp.simulation.kubernetes.view import Json, field_of, section, stamp


class SecretStore:
    """Secrets by namespace and name; ``now`` in unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._version = 0
        self._secrets: dict[tuple[str, str], Json] = {}

    def all(self) -> list[Json]:
        """Every Secret."""
        return list(self._secrets.values())

    def create(self, namespace: str, body: Json) -> Json:
        """Store a new one.

        Raises:
            Refused: 409 it exists already, 422 it has no name or its data is not base64.
        """
        name = str(field_of(body, "metadata", "name") or "")
        if not name:
            raise faults.Refused(422, "Invalid", "Secret is invalid: metadata.name: Required value")
        if (namespace, name) in self._secrets:
            message = f'secrets "{name}" already exists'
            raise faults.Refused(409, "AlreadyExists", message, {"name": name, "kind": "secrets"})
        return self._write(namespace, name, body, uid_of(0, namespace, name, self._version))

    def replace(self, namespace: str, name: str, body: Json) -> Json:
        """Overwrite one.

        Raises:
            Refused: 404 it is not there, 409 it was changed since it was read.
        """
        known = self.get(namespace, name)
        wanted = field_of(body, "metadata", "resourceVersion")
        if wanted and wanted != known["metadata"]["resourceVersion"]:
            message = (
                f'Operation cannot be fulfilled on secrets "{name}": the object has been modified'
            )
            raise faults.Refused(409, "Conflict", message, {"name": name, "kind": "secrets"})
        return self._write(namespace, name, body, known["metadata"]["uid"])

    def merge(self, namespace: str, name: str, patch: Json) -> Json:
        """Apply a merge patch; a null removes a key.

        Raises:
            Refused: 404 it is not there.
        """
        known = self.get(namespace, name)
        return self._write(namespace, name, _merged(known, patch), known["metadata"]["uid"])

    def delete(self, namespace: str, name: str) -> Json:
        """Forget one.

        Raises:
            Refused: 404 it is not there.
        """
        self.get(namespace, name)
        del self._secrets[namespace, name]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def get(self, namespace: str, name: str) -> Json:
        """One Secret.

        Raises:
            Refused: 404 it is not there.
        """
        known = self._secrets.get((namespace, name))
        if known is None:
            raise faults.not_found("secrets", name)
        return known

    def _write(self, namespace: str, name: str, body: Json, uid: str) -> Json:
        data = dict(section(body, "data"))
        for key, value in section(body, "stringData").items():
            data[key] = base64.b64encode(str(value).encode()).decode()
        for key, value in data.items():
            try:
                base64.b64decode(str(value), validate=True)
            except binascii.Error as error:
                message = f"Secret is invalid: data.{key}: illegal base64 data"
                raise faults.Refused(422, "Invalid", message) from error
        self._version += 1
        about = section(body, "metadata")
        before = self._secrets.get((namespace, name))
        born = before["metadata"]["creationTimestamp"] if before else stamp(self._now())
        made: Json = {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": str(int(self._now() * 1000) + self._version),
            "creationTimestamp": born,
        }
        for field in ("labels", "annotations"):
            if about.get(field):
                made[field] = about[field]
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": made,
            "data": data,
            "type": body.get("type") or "Opaque",
        }
        self._secrets[namespace, name] = secret
        return secret


def _merged(known: Json, patch: Json) -> Json:
    result = dict(known)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], section(patch, key))
        else:
            result[key] = value
    return result
