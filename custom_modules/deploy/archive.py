"""Prediction of an archive: millions of pictures, dealt out over a Ray cluster."""

import json
import os
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

from custom_modules.deploy.detector import RockDetector
from custom_modules.deploy.predict import MANIFEST, Outcome, PictureFiles, Results, predicted, record_all
from custom_modules.utils.errors import UsageError, quiet_libraries, sentence_of
from custom_modules.utils.images import Source

MOST_PICTURES = 256  # pictures that a worker gets at a time: what is done again where it dies


class Worker:
    """A process of the cluster, with a detector of its own, that writes into a folder which :class:`Results` has begun.

    ``model`` is what :class:`RockDetector` takes by position, with absolute paths, ``settings`` what it takes by name, ``shown``
    what :class:`PictureFiles` takes by name. So many ``threads`` read, predict and write.
    """

    def __init__(self, out: str | Path, model: Sequence[str], settings: dict, shown: dict, threads: int = 1) -> None:
        quiet_libraries()
        if not Path(out, MANIFEST).is_file():
            raise UsageError(f'{out} is not on a disk that all machines of the cluster see.')
        self._detector = RockDetector(*model, **settings, threads=1, calls=threads)
        self._files, self._threads = PictureFiles(Path(out), self._detector, **shown), threads

    def __call__(self, row: dict) -> list[dict]:
        """Predict the pictures of a task, one of :func:`tasks_of`, and write their files.

        In ``said`` are, as JSON, entries of pictures, or ``skipped`` with name and reason, or a ``fault`` that ends
        all.
        """
        sources = [Source(Path(path), name) for path, name in json.loads(row['task'])]
        skipped: list[tuple[Path, str]] = []
        said: list[dict] = []
        try:
            said += predicted(self._detector, sources, self._files, self._threads, skipped)
        except Exception as error:
            # raised, it would be taken for a lost task
            said.append(dict(fault=sentence_of(error), traceback=traceback.format_exc()))
        names = {source.path: source.name for source in sources}
        said += [dict(skipped=[names[path], reason]) for path, reason in skipped]
        if hasattr(os, 'sync'):
            # once it is noted as done, a machine's power cut may not take it back
            os.sync()
        # in ASCII, which holds file names of any bytes
        return [dict(said=json.dumps(part)) for part in said]


def tasks_of(sources: Sequence[Source], workers: int, batch_size: int) -> list[dict]:
    """Cut pictures into tasks of whole batches, several for each worker: each is predicted beside the same others as by one process."""
    batches = min(MOST_PICTURES, len(sources) // (8 * workers)) // batch_size
    size = batch_size * max(1, batches)
    absolute = [(str(source.path.absolute()), source.name) for source in sources]
    return [dict(task=json.dumps(absolute[start : start + size])) for start in range(0, len(absolute), size)]


def entries_of(
    run: Callable[[list[dict]], Iterable[dict]],
    sources: Sequence[Source],
    results: Results,
    outcome: Outcome,
    workers: int,
    batch_size: int,
) -> Generator[dict]:
    """Have pictures predicted by workers, and again where a worker died, until there is word of each, or no way on.

    ``run`` gives tasks to workers, and what :class:`Worker` says, in any order; of a lost task nothing. ``outcome``
    gets the pictures that are not there at the end, and why. Of each picture it yields what :meth:`Results.record`
    takes, perhaps twice. Raises a UsageError or a RuntimeError if a worker could not write, or met with a defect.
    """
    left, skipped = list(sources), {}
    while left:
        for said in (json.loads(row['said']) for row in run(tasks_of(left, workers, batch_size))):
            if 'skipped' in said:
                skipped.update([said['skipped']])
            elif 'fault' not in said:
                yield said
            elif said['fault'] is None:
                raise RuntimeError(f'of a worker: {said["traceback"]}')
            else:
                raise UsageError(f'{said["fault"].rstrip(".")}; then go on with --resume.')
        lost = [source for source in left if source.name not in results.done | skipped.keys()]
        if len(lost) == len(left):
            if batch_size == 1:
                break
            # one that ends each of its workers must not take its neighbours along
            batch_size = 1
        left = lost
    skipped |= {source.name: 'each worker that looked at it died' for source in left}
    outcome.skipped += [(s.path, skipped[s.name]) for s in sources if s.name in skipped]


def predict_archive(
    sources: Sequence[Source], results: Results, how: dict, workers: int, cpus: int, gpus: float
) -> Outcome:
    """Predict pictures by the workers of the Ray cluster that this process is connected to, and write their results.

    A worker writes a picture's files, and this process alone its line in the manifest, once: whoever dies, what has no
    line is done again, and its files are replaced whole. Raises a UsageError if Ray Data is not installed, or a worker
    cannot begin or write.

    Args:
        sources (Sequence[Source]): The pictures; those that ``results`` has already are left out.
        results (Results): Where to: a folder that all machines see at the same path.
        how (dict): What :class:`Worker` takes by name, but for ``out`` and ``threads``.
        workers (int): How many to begin with; there are more when machines join, and fewer when they leave.
        cpus (int): Of each worker.
        gpus (float): Of each worker.
    """
    # its log goes to the screen, with a traceback for each lost task
    os.environ.setdefault('RAY_DATA_LOG_LEVEL', 'CRITICAL')
    try:
        import ray.data as data
        from ray.exceptions import ActorDiedError
    except ImportError as error:
        raise UsageError(
            f'Ray Data is not installed whole ({error}): pip install -r requirements/cluster.txt'
        ) from None
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    # a lost task is given out again by this process: Ray itself would for ever, or not often enough
    context.max_errored_blocks = -1
    share = dict(num_cpus=cpus, num_gpus=gpus, max_task_retries=0)
    made = dict(how, out=results.out.absolute(), threads=cpus)

    def run(tasks: list[dict]) -> Iterable[dict]:
        # streamed: there is never more in memory than tasks and answers
        table = data.from_items(tasks, override_num_blocks=len(tasks))
        pool = data.ActorPoolStrategy(min_size=1, initial_size=min(workers, len(tasks)))
        with warnings.catch_warnings():
            # that max_task_retries will have another way in
            warnings.simplefilter('ignore')
            said = table.flat_map(Worker, fn_constructor_kwargs=made, compute=pool, **share)
        try:
            yield from said.iter_rows()
        except ActorDiedError as error:
            # of a worker that could not begin; its own error comes last
            raise UsageError(f'no worker could begin: {str(error).strip().splitlines()[-1]}') from error

    wanted = [source for source in sources if source.name not in results.done]
    outcome = Outcome()
    entries = entries_of(run, wanted, results, outcome, workers, how['settings'].get('batch_size', 16))
    return record_all(entries, len(wanted), results, outcome)
