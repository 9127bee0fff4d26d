"""Silences of the fleet: listed, and where writing is allowed, made and ended."""
