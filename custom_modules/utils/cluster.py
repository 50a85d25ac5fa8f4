"""The Ray cluster that a command hands its work to."""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from custom_modules.utils.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process is connected to.

    Attributes:
        title (str): Its size, and its dashboard's address.
        cpus (float): Its CPUs.
        gpus (float): Its GPUs.
    """

    title: str
    cpus: float
    gpus: float


def connect(address: str, variables: Iterable[str] = ()) -> Cluster:
    """Connect this process to a Ray cluster, whose nodes have the repository, the data and the work dirs at the same paths.

    Args:
        address (str): ``HOST:PORT``, ``ray://HOST:PORT``, or ``'auto'``: that of ``RAY_ADDRESS`` or of this machine, and where there
            is none a cluster of this machine alone, that ends with this process.
        variables (Iterable[str]): Names of environment variables that the tasks get from this process.

    Raises:
        UsageError: If Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError:
        raise UsageError(
            '--ray needs Ray, which is not installed: pip install -r requirements/cluster.txt'
        ) from None
    if address != 'auto':
        _require_answer(address)
    environment = {name: os.environ[name] for name in variables if name in os.environ}
    options = dict(
        runtime_env=dict(env_vars={**environment, 'PYTHONPATH': str(ROOT)}),
        log_to_driver=False,
        logging_level='ERROR',
    )
    context = ray.init(None if address == 'auto' else address, **options)
    total, nodes = ray.cluster_resources(), sum(node['Alive'] for node in ray.nodes())
    cpus, gpus = total.get('CPU', 0.0), total.get('GPU', 0.0)
    dashboard = f'http://{context.dashboard_url}' if context.dashboard_url else 'not running'
    title = f'Ray: {nodes} nodes, {cpus:g} CPUs, {gpus:g} GPUs; dashboard: {dashboard}'
    return Cluster(title, cpus, gpus)


def _require_answer(address: str) -> None:
    """Knock at once: Ray itself would try for minutes, and fill the screen."""
    host, _, port = address.removeprefix('ray://').rpartition(':')
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f'there is no Ray cluster at {address} ({error}): give the HOST:PORT that `ray start --head` prints, or --ray '
            'alone for the cluster of this machine.'
        ) from error
