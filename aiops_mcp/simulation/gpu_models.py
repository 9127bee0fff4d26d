"""What is known of a card by its product name."""


def gpu_memory_mib(model: str) -> float:
    """Frame buffer of a card by its product name."""
    return 40960.0 if "40GB" in model else 81559.0 if "H100" in model else 81920.0


def power_limit_watts(model: str) -> float:
    """The default power limit of a card by its product name."""
    return 700.0 if "H100" in model else 400.0
