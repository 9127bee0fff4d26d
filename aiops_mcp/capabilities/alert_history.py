"""What fired in the past."""
