"""The simulated fleet: a seeded world, incidents that bend it, and one wire server per backend.

It opens no connection and needs no network; it must not know registry, fleet or surfaces.
"""
