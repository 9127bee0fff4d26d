"""How the rooms tell one another that something happened. Knows events, not what they mean."""
