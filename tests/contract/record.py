"""Records the answers of the installed Prometheus and Alertmanager: python tests/contract/record.py

It runs the contract tests against the real servers, and keeps every answer they look at.
"""

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    os.environ["AIOPS_RECORD"] = "1"
    sys.exit(pytest.main([str(Path(__file__).parent), "-m", "real", "-k", "contract", "-q"]))
