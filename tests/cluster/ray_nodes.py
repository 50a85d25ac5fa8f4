"""A Ray cluster on this machine, and the end of one of its nodes."""

import contextlib
import signal
import time
from collections.abc import Callable

import psutil


@contextlib.contextmanager
def ray_cluster(nodes: int, dashboard: bool = False):
    """Give a cluster, and its nodes of one CPU each."""
    from ray.cluster_utils import Cluster

    # the head has no CPU: it only keeps the books, so that each of the others may die
    cluster = Cluster(True, head_node_args=dict(num_cpus=0, include_dashboard=dashboard))
    try:
        added = [cluster.add_node(num_cpus=1) for _ in range(nodes)]
        cluster.wait_for_nodes(timeout=300)
        yield cluster, added
    finally:
        cluster.shutdown()


def power_cut(node, when: Callable[[list[psutil.Process]], object]):
    """End a node as a power cut does, as soon as its processes are at what is looked for; give what was found."""
    raylet = psutil.Process(node.all_processes['raylet'][0].process.pid)
    deadline = time.monotonic() + 1200
    while not (found := when(children := raylet.children(recursive=True))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for process in [raylet, *children]:
        process.send_signal(signal.SIGKILL)
    node.kill_all_processes(check_alive=False)
    return found
