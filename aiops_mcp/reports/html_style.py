"""The style of a report in HTML: light, dark and on paper.

Colours are the console's tokens, each measured for contrast on the surfaces it stands on.
"""

from functools import cache
from importlib.resources import files
from typing import Final

LIGHT: Final = """
  color-scheme: light; --bg: #F3F5F8; --surface: #FFFFFF; --well: #F3F5F8; --border: #E1E6EC;
  --border-strong: #7E8B9E; --text: #10161E; --text-2: #445062; --text-3: #5F6B7C;
  --accent-text: #2C47B4; --crit: #C62B1D; --crit-text: #B3241A; --crit-soft: #FDECE9;
  --warn: #C77A00; --warn-text: #875100; --warn-soft: #FCF1DB; --ok: #12876A; --ok-text: #0A6B53;
  --ok-soft: #E2F4EE; --mute: #576373; --mute-text: #515D6E; --mute-soft: #ECEFF3; --s1: #3350C4;
  --s2: #179696; --s3: #7A4F80; --s4: #968234; --s5: #0B3C58; --grid: #E8ECF1; --axis: #5F6B7C;
"""
DARK: Final = """
  color-scheme: dark; --bg: #0B0E13; --surface: #12161D; --well: #0E1218; --border: #222A36;
  --border-strong: #68758A; --text: #E9EDF3; --text-2: #B0BAC9; --text-3: #8E99AB;
  --accent-text: #A0B1FF; --crit: #FF6B5B; --crit-text: #FF9386; --crit-soft: #35171A;
  --warn: #F0AE3A; --warn-text: #F5C268; --warn-soft: #271E10; --ok: #35C496; --ok-text: #5FD6AF;
  --ok-soft: #0E2B24; --mute: #8A96A8; --mute-text: #A5B0C0; --mute-soft: #1E2530; --s1: #8CA1FF;
  --s2: #8DE8E6; --s3: #A55C80; --s4: #E4DDA0; --s5: #5690B8; --grid: #1E2530; --axis: #8E99AB;
"""

_ROLES: Final = (
    "s1",
    "s2",
    "s3",
    "s4",
    "s5",
    "crit",
    "warn",
    "ok",
    "mute",
    "grid",
    "border-strong",
)


@cache
def stylesheet() -> str:
    """Everything that stands in the page's style element."""
    roles = "".join(
        f".l-{role} {{ stroke: var(--{role}); }} .f-{role} {{ fill: var(--{role}); }}\n"
        for role in _ROLES
    )
    rest = ".l-line-rest { stroke: var(--mute); opacity: .35; }\n"
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{{DARK}}} }}"
    rules = (files("aiops_mcp.reports") / "report.css").read_text("utf-8")
    return f":root {{{LIGHT}}}\n{dark}\n{rules}{roles}{rest}"
