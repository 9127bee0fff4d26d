"""Custom personas, by id. The built-in ones and those of a folder are files and not here."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from aiops_mcp.models.persona import Persona
from aiops_mcp.storage.engine import Database, Transaction
from aiops_mcp.storage.tables import personas

_BESIDE = {"id", "is_builtin", "created_by", "created_at", "updated_at"}


class PersonaTable:
    """Reads and writes rows. All methods raise ``StorageFailed``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> tuple[Persona, ...]:
        async with self._database.read() as transaction:
            found = await transaction.execute(select(personas).order_by(personas.c.id))
            rows = found.mappings().all()
        return tuple(_persona(row) for row in rows)

    async def get(self, persona_id: str) -> Persona | None:
        async with self._database.read() as transaction:
            return await _get(transaction, persona_id)

    async def add(self, persona: Persona, *, most: int) -> bool:
        """Keep a new persona; false where there are ``most`` already, or the id is taken."""
        row = {
            "id": persona.id,
            "persona": persona.model_dump(mode="json", exclude=_BESIDE),
            "created_by": persona.created_by,
            "created_at": persona.created_at,
            "updated_at": persona.updated_at,
        }
        try:
            async with self._database.transaction() as transaction:
                count = await transaction.scalar(select(func.count()).select_from(personas))
                if (count or 0) >= most:
                    return False
                await transaction.execute(insert(personas), [row])
        except IntegrityError:
            return False
        return True

    async def change(
        self, persona_id: str, changed: Callable[[Persona], Persona], now: datetime
    ) -> Persona | None:
        """Replace a persona by what ``changed`` makes of it, in one transaction; None: not there.

        What ``changed`` raises passes through, and nothing is written.
        """
        async with self._database.transaction() as transaction:
            there = await _get(transaction, persona_id, lock=True)
            if there is None:
                return None
            made = changed(there).model_copy(update={"updated_at": now})
            content = made.model_dump(mode="json", exclude=_BESIDE)
            await transaction.execute(
                update(personas)
                .where(personas.c.id == persona_id)
                .values(persona=content, updated_at=now)
            )
            return made

    async def remove(self, persona_id: str) -> bool:
        """Forget a persona; false where there is none."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(delete(personas).where(personas.c.id == persona_id))
            return gone.rowcount > 0


async def _get(transaction: Transaction, persona_id: str, *, lock: bool = False) -> Persona | None:
    wanted = select(personas).where(personas.c.id == persona_id)
    found = await transaction.execute(wanted.with_for_update() if lock else wanted)
    row = found.mappings().one_or_none()
    return _persona(row) if row is not None else None


def _persona(row: RowMapping) -> Persona:
    return Persona(
        **row["persona"],
        id=row["id"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
