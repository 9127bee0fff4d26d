"""How operations are reached. A surface knows operations in general and none by name."""
