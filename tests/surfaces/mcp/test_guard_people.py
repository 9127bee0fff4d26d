"""What a person at a terminal gets: clean, but neither fenced nor cut."""

from aiops_mcp.models.digest import Digest
from aiops_mcp.surfaces.guard import clean


def test_long_text_is_whole_and_bare():
    text = "Many words that a person reads at a terminal. " * 20
    made = clean(Digest(headline="h", columns=("c",), rows=((text,), (3,)), notes=("n",)))
    assert made.rows == ((text,), (3,))
    assert made.notes == ("n",)


def test_control_characters_and_secrets_are_gone():
    token = "Bearer abcdefghijklmnopqrstuvwxyz0123456789"
    made = clean(Digest(headline="h", columns=("c",), rows=((f"\x1b[31mred {token}",),)))
    assert "\x1b" not in made.rows[0][0]
    assert "abcdefghijklmnop" not in made.rows[0][0]
