"""One small async client a backend, and the pure readers of what backends answer.

The only room that opens connections to clusters. It knows wire formats and errors; it must not
know the registry, the vault, the fleet, or that there is more than one cluster.
"""
