"""A Prometheus look-alike over a recorded data set: ``python -m ... DIRECTORY PORT``."""

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from aiops_mcp.simulation.prometheus import prometheus_app
from aiops_mcp.simulation.promql.dataset import load


def dataset_app(directory: Path) -> Starlette:
    """The HTTP API over the data set of a folder; its "now" is the newest sample.

    Raises:
        InputError: when the folder holds no readable data set.
    """
    store = load(directory)
    newest = store.head()[2] / 1000
    return prometheus_app(store, now=lambda: newest)


def serve_dataset(directory: Path, port: int, *, host: str = "127.0.0.1") -> None:
    """Answer HTTP on a port until interrupted."""
    uvicorn.run(dataset_app(directory), host=host, port=port, log_level="warning")


if __name__ == "__main__":
    serve_dataset(Path(sys.argv[1]), int(sys.argv[2]))
