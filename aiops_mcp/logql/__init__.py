"""LogQL as text and tree: parse with positions, print, inspect. Evaluates nothing, does no I/O."""
