"""Federation: who is asked, how long one waits, how answers of many clusters become one.

Deciding and combining is pure (``selection``, ``pushdown``, ``merge``, ``cost``); asking is
``fleet`` over ``fanout``, ``cache`` and ``breaker``. This room knows no operation and no surface,
and speaks to a cluster only through the clients of ``backends``.
"""
