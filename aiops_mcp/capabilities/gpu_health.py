"""Health and waste of GPUs, and the model servers on them."""
