"""Experiment trackers, which never end a training."""

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


def _work(tasks: queue.SimpleQueue) -> None:
    """Do tasks, each what is to get the result and a function, one after another, for ever."""
    while True:
        done, function = tasks.get()
        try:
            done.set_result(function())
        except BaseException as error:
            done.set_exception(error)


@VISBACKENDS.register_module()
class OptionalVisBackend(BaseVisBackend):
    """An experiment tracker that a run does not depend on.

    Without its package, its credentials or its server the run goes on with the other backends and one line says so. What
    fails later is said once and not tried again, and no call asks for input or blocks for long. It starts at the first scalar
    or picture: a run that ends before leaves nothing in it.

    Args:
        tracker (str): Type of the backend behind it.
        save_dir (str): The visualizer's folder.
        limit (float): Seconds that a call, or the end of the process, may take; closing, which waits for uploads, four
            times as many. Defaults to 20.
        **kwargs: The tracker's own arguments. In their texts ``{run}`` stands for the work dir's name and
            ``{work_dir}`` for its path.

    Example:
        >>> named = dict(init_kwargs=dict(project='moon-rocks', name='{run}'))
        >>> wandb = dict(type='OptionalVisBackend', tracker='WandbTracker', **named)
        >>> visualizer = dict(vis_backends=[dict(type='LocalVisBackend'), wandb])
    """

    def __init__(self, tracker: str, save_dir: str, limit: float = 20.0, **kwargs) -> None:
        super().__init__(save_dir)
        self._backend_cfg = dict(type=tracker, save_dir=save_dir) | kwargs
        self._limit = limit
        self._work_dir = Path(save_dir)
        self._config = None
        self._backend = None
        self._given_up = set()
        self._tasks = queue.SimpleQueue()

    @property
    def experiment(self):
        """The tracker's own object, None if it could not start."""
        self._init_env()
        return self._backend and self._backend.experiment

    def add_config(self, config, **kwargs) -> None:
        """Keep the config for the start."""
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
        """End the tracker's run, for good: a later run in this process has one of its own."""
        if self._backend is not None:
            self._attempt('close', self._backend.close)
        self._backend = None
        self._given_up.add('start')

    def _init_env(self) -> None:
        if self._backend is not None or 'start' in self._given_up:
            return
        # outside of the attempt: what is wrong with the config itself must be seen
        backend = VISBACKENDS.build(self._filled(self._backend_cfg))
        ending = threading.Event()
        # all calls run in one thread, since MLflow's run belongs to the one that began it; a library that retries for ever stays
        # there, and what comes after it; daemons: the process ends without them
        for target, given in ((_work, self._tasks), (self._end_in_time, ending)):
            threading.Thread(target=target, args=[given], daemon=True).start()
        started = self._attempt('start', _start_without_terminal, backend)
        # of what is registered for the end the last one is called first: before what the library has registered
        atexit.register(ending.set)
        if started:
            self._backend = backend
            if self._config is not None:
                self._attempt('add_config', backend.add_config, self._config)

    def _end_in_time(self, ending: threading.Event) -> None:
        """End the process if a library does not let it, even one whose start has failed."""
        ending.wait()
        time.sleep(self._limit)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # a run that came to its end has closed its trackers
        os._exit(0 if 'start' in self._given_up else 1)

    def _attempt(self, what: str, call: Callable, *args, **kwargs) -> bool:
        if what in self._given_up:
            return False
        seconds, done = self._limit * (4 if what == 'close' else 1), Future()
        self._tasks.put((done, partial(call, *args, **kwargs)))
        try:
            if wait([done], timeout=seconds).not_done:
                raise TimeoutError(f'no answer within {seconds:g} s')
            done.result()
        except (Exception, SystemExit) as error:
            self._given_up.add(what)
            if isinstance(error, TimeoutError):
                self._backend = None  # its thread is busy with that
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
    # who sees a terminal may ask for a key, in the middle of a run
    with open(os.devnull) as nothing:
        sys.stdin = nothing
        try:
            # mmengine's backends start when they are first used
            _ = backend.experiment
        finally:
            sys.stdin = stdin


@VISBACKENDS.register_module()
class MLflowTracker(MLflowVisBackend):
    """MLflow on the server of ``MLFLOW_TRACKING_URI``, or on a local file store that many runs share.

    mmengine's backend ignores that variable, and gives each run a store of its own inside its work dir.

    Args:
        store (str): Folder of the local store.
        **kwargs: Of mmengine's ``MLflowVisBackend``.
    """

    def __init__(self, store: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self._store = store

    def _init_env(self) -> None:
        # MLflow 3 asks for it before it writes files; its other local store needs a database package
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
        self._outer_uri = os.environ.get('MLFLOW_TRACKING_URI')
        self._tracking_uri = self._tracking_uri or self._outer_uri
        if not self._tracking_uri:
            self._save_dir = self._store
        super()._init_env()

    def _flatten(self, d: dict, *args, **kwargs) -> dict:
        # mmengine joins keys as text, and configs have numbers too, such as a freezing schedule's epochs
        return super()._flatten({str(key): value for key, value in d.items()}, *args, **kwargs)

    def close(self) -> None:
        """End the run, and leave the process as it was: MLflow exports its address to the environment."""
        try:
            super().close()
        finally:
            # where copying the logs failed, mmengine's backend leaves the run open, and the next one would join it
            self._mlflow.end_run()
            self._mlflow.set_tracking_uri(self._outer_uri)


@VISBACKENDS.register_module()
class WandbTracker(WandbVisBackend):
    """mmengine's ``WandbVisBackend`` without the upload of every Python file below the current folder, a ``.venv`` in it included."""

    @force_init_env
    def add_config(self, config, **kwargs) -> None:
        """Record the config."""
        self._wandb.config.update(config.to_dict())
