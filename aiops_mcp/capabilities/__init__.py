"""What the server can do: one file a domain, each operation written once.

No operation knows a surface; none builds a client. Small answers for a model are pure functions
from the full answer (``digest``), kept beside their operation or in a ``*_digest`` module.
"""
