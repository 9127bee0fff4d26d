"""The nouns of the contract, once, as frozen pydantic models. No I/O, and no clock."""
