"""When a call may be repeated, and how long to wait before. Pure."""

RETRY_STATUSES = frozenset({429, 502, 503, 504})
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0


def pause_before(attempt: int, asked_to_wait: float | None, jitter: float) -> float:
    """Seconds before the next attempt: what the server asked for, else full jitter.

    ``attempt`` counts from 0, ``jitter`` is in [0, 1). A server's ``Retry-After`` is kept to,
    plus up to a first pause of jitter so that callers do not come back all at once.
    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter).
    """
    if asked_to_wait is not None:
        return asked_to_wait + jitter * FIRST_PAUSE_SECONDS
    return jitter * min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt)
