"""Experiment trackers, which never end a training."""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from mmengine.logging import print_log
from mmengine.registry import VISBACKENDS
from mmengine.visualization import MLflowVisBackend, WandbVisBackend
from mmengine.visualization.vis_backend import BaseVisBackend, force_init_env


class TimeLimit:
    """Ends a block of code that takes too long with a ``TimeoutError``.

    Made for libraries that retry for minutes or for ever. It interrupts whatever blocks, through
    SIGALRM: in the main thread of Linux and macOS only, elsewhere there is no limit.

    Args:
        seconds (float): How long the block may take.

    Example:
        >>> import time
        >>> with TimeLimit(0.01):
        ...     time.sleep(60)
        Traceback (most recent call last):
        ...
        TimeoutError: no answer within 0.01 s
    """

    class _Over(BaseException):
        """No ``Exception``: retry loops take those for one more failure and go on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._before = None

    def __enter__(self) -> 'TimeLimit':
        """Set the alarm."""
        self.begin()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        """Stop the alarm.

        Raises:
            TimeoutError: If it had rung.
        """
        self.end()
        if kind is self._Over:
            raise TimeoutError(str(error)) from None

    def begin(self) -> None:
        """Set the alarm."""
        main = threading.current_thread() is threading.main_thread()
        if main and hasattr(signal, 'setitimer'):
            handler = signal.signal(signal.SIGALRM, self._interrupt)
            # again each second: a bare "except" may have swallowed the first
            self._before = signal.setitimer(signal.ITIMER_REAL, self.seconds, 1), handler

    def end(self) -> None:
        """Give the alarm back to whom it was before."""
        if self._before is not None:
            timer, handler = self._before
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)
            self._before = None

    def _interrupt(self, signum: int, frame) -> None:
        raise self._Over(f'no answer within {self.seconds:g} s')


@VISBACKENDS.register_module()
class OptionalVisBackend(BaseVisBackend):
    """An experiment tracker that a run does not depend on.

    Without its package, its credentials or its server the run goes on with the other backends and one line says
    so. What fails later is said once and not tried again, and no call asks for input or blocks for long.
    The tracker starts at the first scalar or picture: a run that ends before leaves nothing in it.

    Args:
        tracker (str): Type of the backend behind it.
        save_dir (str): The visualizer's folder.
        limit (float): Seconds that a call may take; closing, which waits for uploads, four times as
            many. Defaults to 20.
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

    @property
    def experiment(self):
        """The tracker's own object, None if it could not start."""
        self._start()
        return self._backend and self._backend.experiment

    def add_config(self, config, **kwargs) -> None:
        """Keep the config for the start.

        Args:
            config (Config): The run's config.
            **kwargs: Unused.
        """
        self._config = config
        self._work_dir = Path(config.get('work_dir') or self._work_dir).absolute()

    def add_graph(self, *args, **kwargs) -> None:
        """Pass the model on."""
        self._pass_on('add_graph', *args, **kwargs)

    def add_image(self, *args, **kwargs) -> None:
        """Pass a picture on."""
        self._pass_on('add_image', *args, **kwargs)

    def add_scalar(self, *args, **kwargs) -> None:
        """Pass a scalar on."""
        self._pass_on('add_scalar', *args, **kwargs)

    def add_scalars(self, *args, **kwargs) -> None:
        """Pass scalars on."""
        self._pass_on('add_scalars', *args, **kwargs)

    def close(self) -> None:
        """End the tracker's run, for good: a later run in this process has one of its own."""
        if self._backend is not None:
            self._attempt('close', self._backend.close)
        self._backend = None
        self._given_up.add('start')

    def _init_env(self) -> None:
        # outside of the attempt: what is wrong with the config itself must be seen
        backend = VISBACKENDS.build(self._filled(self._backend_cfg))
        # trackers wait for their server once more when the process ends, even for a start that failed; what is
        # registered around them is called around them
        exit_limit = TimeLimit(self._limit)
        atexit.register(exit_limit.end)
        started = self._attempt('start', _start_without_terminal, backend)
        atexit.register(exit_limit.begin)
        if started:
            self._backend = backend
            if self._config is not None:
                self._attempt('add_config', backend.add_config, self._config)

    def _start(self) -> None:
        if self._backend is None and 'start' not in self._given_up:
            self._init_env()

    def _pass_on(self, method: str, *args, **kwargs) -> None:
        self._start()
        if self._backend is not None:
            self._attempt(method, getattr(self._backend, method), *args, **kwargs)

    def _attempt(self, what: str, call: Callable, *args, **kwargs) -> bool:
        if what in self._given_up:
            return False
        try:
            with TimeLimit(self._limit * (4 if what == 'close' else 1)):
                call(*args, **kwargs)
        except Exception as error:
            self._given_up.add(what)
            reason = str(error).strip().split('\n')[0][:200] or type(error).__name__
            advice = '; to use it, install requirements/trackers.txt and give it its server and key'
            print_log(
                f'{self._backend_cfg["type"]}: {what} failed and is not tried again, the run goes on with its '
                f'local logs ({reason})' + advice * (what == 'start'),
                logger='current',
                level=logging.WARNING,
            )
            return False
        return True

    def _filled(self, value):
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, str):
            folder = self._work_dir
            return value.replace('{run}', folder.name).replace('{work_dir}', str(folder))
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

    mmengine's backend ignores that variable, and gives each run a store of its own, so that nothing can be
    compared, inside the work dir, which it then copies into the store.

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
    """Weights & Biases without the upload of code.

    mmengine's backend uploads every Python file below the current folder, and so a ``.venv`` in it. Arguments are
    those of mmengine's ``WandbVisBackend``.
    """

    @force_init_env
    def add_config(self, config, **kwargs) -> None:
        """Record the config.

        Args:
            config (Config): The run's config.
            **kwargs: Unused.
        """
        self._wandb.config.update(config.to_dict())
