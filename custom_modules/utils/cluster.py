"""The Ray cluster that a command hands its work to."""

import os
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
    environment = {name: os.environ[name] for name in variables if name in os.environ}
    options = dict(
        runtime_env=dict(env_vars={**environment, 'PYTHONPATH': str(ROOT)}),
        log_to_driver=False,
        logging_level='ERROR',
    )
    try:
        context = ray.init(None if address == 'auto' else address, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split('\n')[0]
        raise UsageError(
            f'there is no Ray cluster at {address} ({reason}): give the address that `ray start --head` or `ray status` '
            'prints, or --ray alone for this machine.'
        ) from error
    total, nodes = ray.cluster_resources(), sum(node['Alive'] for node in ray.nodes())
    cpus, gpus = total.get('CPU', 0.0), total.get('GPU', 0.0)
    dashboard = f'http://{context.dashboard_url}' if context.dashboard_url else 'not running'
    title = f'Ray: {nodes} nodes, {cpus:g} CPUs, {gpus:g} GPUs; dashboard: {dashboard}'
    return Cluster(title, cpus, gpus)
