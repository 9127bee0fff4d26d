"""Algorithms on arrays: what is in the data, said without a model. No I/O, and no clock."""
