"""When Python looks for cycles: seldom, and never among what was loaded at start.

Answers, and the classes of a program this size, are many small objects without cycles. At Python's
defaults the collector walks the whole heap for them again and again: a fifth of the time that
loading takes, and most of the time of a large range answer.
"""

import gc


def look_seldom() -> None:
    """From now on; for the beginning of a program, before it loads the rest of itself."""
    gc.set_threshold(50_000, 50, 100)


def leave_what_is_loaded() -> None:
    """Once all is loaded: it is never looked at again."""
    gc.collect()
    gc.freeze()
    look_seldom()
