"""What is known of a card by its product name."""


def gpu_memory_mib(model: str) -> float:
    """Frame buffer of a card by its product name."""
    return 40960.0 if "40GB" in model else 81559.0 if "H100" in model else 81920.0


def power_limit_watts(model: str) -> float:
    """The default power limit of a card by its product name."""
    return 700.0 if "H100" in model else 400.0


def busy_sm_clock_mhz(model: str) -> float:
    """About what the multiprocessors run at under load; the cards differ by up to 18 %."""
    return 1680.0 if "H100" in model else 1200.0


def pcie_generation(model: str) -> float:
    """The PCIe generation of a card by its product name."""
    return 5.0 if "H100" in model else 4.0


def slice_memory_mib(profile: str) -> int:
    """Frame buffer of a MIG slice by its profile, such as ``1g.5gb``."""
    return int(profile.partition(".")[2].removesuffix("gb")) * 1024 - 256
