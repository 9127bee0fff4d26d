"""A Prometheus look-alike over a recorded data set.

``python -m aiops_mcp.simulation.promql.serve DIRECTORY PORT``
"""

import argparse
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
    parser = argparse.ArgumentParser(description="Serve a recorded data set as Prometheus does.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    serve_dataset(arguments.directory, arguments.port)
