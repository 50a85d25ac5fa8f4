"""Experiment trackers whose failures never stop a training."""

import atexit
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial, partialmethod
from pathlib import Path

from mmengine.logging import print_log
from mmengine.registry import VISBACKENDS
from mmengine.visualization import MLflowVisBackend, WandbVisBackend
from mmengine.visualization.vis_backend import BaseVisBackend, force_init_env


def _run_tasks(tasks: queue.SimpleQueue) -> None:
    while True:
        future, function = tasks.get()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)


@VISBACKENDS.register_module()
class OptionalVisBackend(BaseVisBackend):
    """A wrapper of an experiment tracker's backend that catches its failures.

    If it cannot start or a call fails, one line in the log says so, the call is not tried again, and the run goes on. No call
    asks for input or blocks for long. The tracker starts at the first scalar or picture, so a run that fails before leaves no trace.

    Args:
        tracker (str): Type of the tracker's backend.
        save_dir (str): The visualizer's folder.
        limit (float): Seconds that a call, or the end of the process, may take; closing, which waits for uploads, may take four
            times as many. Defaults to 20.
        **kwargs: The tracker's arguments. In strings ``{run}`` and ``{work_dir}`` are replaced by the work dir's name and path.

    Example:
        >>> named = dict(init_kwargs=dict(project='moon-rocks', name='{run}'))
        >>> wandb = dict(type='OptionalVisBackend', tracker='WandbTracker', **named)
        >>> visualizer = dict(vis_backends=[dict(type='LocalVisBackend'), wandb])
    """

    def __init__(self, tracker: str, save_dir: str, limit: float = 20.0, **kwargs) -> None:
        super().__init__(save_dir)
        self._backend_cfg = dict(type=tracker, save_dir=save_dir) | kwargs
        self._limit, self._work_dir = limit, Path(save_dir)
        self._config = self._backend = None
        self._given_up, self._tasks = set(), queue.SimpleQueue()

    @property
    def experiment(self):
        """The tracker's own object, None if it could not start."""
        self._init_env()
        return self._backend and self._backend.experiment

    def add_config(self, config, **kwargs) -> None:
        """Store the config until the tracker starts."""
        self._config = config
        self._work_dir = Path(config.get('work_dir') or self._work_dir).absolute()

    def _pass_on(self, method: str, *args, **kwargs) -> None:
        self._init_env()
        if self._backend is not None:
            self._attempt(method, getattr(self._backend, method), *args, **kwargs)

    add_graph = partialmethod(_pass_on, 'add_graph')
    add_image = partialmethod(_pass_on, 'add_image')
    add_scalar = partialmethod(_pass_on, 'add_scalar')
    add_scalars = partialmethod(_pass_on, 'add_scalars')

    def close(self) -> None:
        """End the tracker's run for good; a later run in this process has its own."""
        if self._backend is not None:
            self._attempt('close', self._backend.close)
        self._backend = None
        self._given_up |= {'start', 'closed'}

    def _init_env(self) -> None:
        if self._backend is not None or 'start' in self._given_up:
            return
        # not caught, since it fails only for a wrong config
        backend = VISBACKENDS.build(self._filled(self._backend_cfg))
        exiting = threading.Event()
        # one thread for all calls, since MLflow's run belongs to its thread; daemons, so that a call that hangs does not keep the
        # process alive
        for target, argument in ((_run_tasks, self._tasks), (self._exit_in_time, exiting)):
            threading.Thread(target=target, args=[argument], daemon=True).start()
        started = self._attempt('start', _start_without_terminal, backend)
        # registered after the library's own functions, so called before them
        atexit.register(exiting.set)
        if started:
            self._backend = backend
            if self._config is not None:
                self._attempt('add_config', backend.add_config, self._config)

    def _exit_in_time(self, exiting: threading.Event) -> None:
        """Exit the process if a library keeps it from exiting, even one that failed to start."""
        exiting.wait()
        time.sleep(self._limit)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # a run that completed has closed its trackers
        os._exit(0 if 'closed' in self._given_up else 1)

    def _attempt(self, what: str, call: Callable, *args, **kwargs) -> bool:
        """Run a call in the tracker's thread, and return whether it succeeded in time."""
        if what in self._given_up:
            return False
        seconds, future = self._limit * (4 if what == 'close' else 1), Future()
        self._tasks.put((future, partial(call, *args, **kwargs)))
        try:
            if wait([future], timeout=seconds).not_done:
                raise TimeoutError(f'no answer within {seconds:g} s')
            future.result()
        except (Exception, SystemExit) as error:
            self._given_up.add(what)
            if not future.done():
                self._backend = None  # its thread is busy with that call
                self._given_up.add('start')
            reason = str(error).strip().split('\n')[0][:200] or type(error).__name__
            line = f'{self._backend_cfg["type"]}: {what} failed and is not tried again, the run goes on with its local logs ({reason})'
            if what == 'start':
                line += '; to use it, install requirements/trackers.txt and give it its server and key'
            print_log(line, logger='current', level=logging.WARNING)
            return False
        return True

    def _filled(self, value):
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, str):
            return value.replace('{run}', self._work_dir.name).replace('{work_dir}', str(self._work_dir))
        return value


def _start_without_terminal(backend: BaseVisBackend) -> None:
    stdin = sys.stdin
    # at a terminal a tracker may ask for a key
    with open(os.devnull) as nothing:
        sys.stdin = nothing
        try:
            # starts mmengine's backends
            _ = backend.experiment
        finally:
            sys.stdin = stdin


@VISBACKENDS.register_module()
class MLflowTracker(MLflowVisBackend):
    """mmengine's ``MLflowVisBackend`` with the server of ``MLFLOW_TRACKING_URI``, or else one local folder for many runs.

    mmengine ignores that variable, and has a local store in each work dir.

    Args:
        store (str): The local folder.
        **kwargs: Arguments of ``MLflowVisBackend``.
    """

    def __init__(self, store: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self._store = store

    def _init_env(self) -> None:
        # MLflow 3 requires it for a file store; its other local store needs a database package
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
        self._outer_uri = os.environ.get('MLFLOW_TRACKING_URI')
        self._tracking_uri = self._tracking_uri or self._outer_uri
        if not self._tracking_uri:
            self._save_dir = self._store
        super()._init_env()

    def _flatten(self, d: dict, *args, **kwargs) -> dict:
        # mmengine joins keys as strings, but configs have integers too, such as the epochs of a freeze schedule
        return super()._flatten({str(key): value for key, value in d.items()}, *args, **kwargs)

    def close(self) -> None:
        """End the run, and restore the tracking URI, which MLflow exports to the environment."""
        try:
            super().close()
        finally:
            # if copying the logs fails, mmengine leaves the run open, and the next one would join it
            self._mlflow.end_run()
            self._mlflow.set_tracking_uri(self._outer_uri)


@VISBACKENDS.register_module()
class WandbTracker(WandbVisBackend):
    """mmengine's ``WandbVisBackend`` without its upload of every Python file below the current folder, such as a ``.venv``'s."""

    @force_init_env
    def add_config(self, config, **kwargs) -> None:
        """Record the config."""
        self._wandb.config.update(config.to_dict())
