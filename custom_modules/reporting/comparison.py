from collections.abc import Sequence
from pathlib import Path

from custom_modules.usage_error import UsageError

from .arm import Arm
from .config_changes import flat_config
from .run_folder import RunFolder


class Comparison:
    """Runs side by side: those of one config together, those that cannot be compared named and left out.

    Left out are runs that are broken or unfinished, and segmentors whose test images, masks, classes or resolution differ
    from those of the first run that can be scored.

    Args:
        work_dirs (Sequence[str | Path]): The runs' folders; the first segmentor's config is what others are compared with.
        cfg_options (dict, optional): What to change in each config before scoring, such as the place of the test data.
        shown (int): Of how many images the predictions are kept. Defaults to 6.

    Attributes:
        arms (list[Arm]): The segmentors.
        options (dict): ``cfg_options``.
        classifiers (list[ClassifierResult]): The classifiers.
        left_out (dict[str, str]): Why each other folder was left out.
        doubts (dict[str, str]): What is odd about runs that were compared.

    Raises:
        UsageError: If a folder does not exist, or nothing is left to compare.
    """

    def __init__(
        self, work_dirs: Sequence[str | Path], cfg_options: dict | None = None, shown: int = 6
    ) -> None:
        for path in work_dirs:
            if not Path(path).is_dir():
                raise UsageError(
                    f'there is no work dir {path}: give folders that tools/train.py wrote, such as '
                    'work_dirs/unet_baseline.'
                )
        self.options, self._shown = cfg_options or {}, shown
        self.classifiers, self.left_out, self.doubts = [], {}, {}
        self._results, self._measured = [], set()
        # each folder once, however it is written
        for path in dict.fromkeys(Path(path).resolve() for path in work_dirs):
            try:
                self._add(RunFolder(path))
            except UsageError as error:
                self.left_out[str(path)] = str(error)
        if not self._results and not self.classifiers:
            reasons = ' '.join(f'{Path(path).name}: {why}' for path, why in self.left_out.items())
            raise UsageError(
                f'none of the {len(self.left_out)} work dirs can be reported on. {reasons}'
            )
        together = {}
        for result in self._results:
            together.setdefault(_what_it_does(result.run), []).append(result)
        self.arms = [Arm(results) for results in together.values()]

    @property
    def score(self) -> str:
        """The score that arms are compared by: the one that chose the first one's checkpoint."""
        monitored = self.arms[0].first.run.monitored
        return monitored if monitored in self.arms[0].first.scores else 'mDice'

    def labels(self) -> list[str]:
        """Name the arms; where several have one config's name, by their first run's folder."""
        names = [arm.name for arm in self.arms]
        return [
            arm.name if names.count(arm.name) == 1 else arm.first.run.path.name for arm in self.arms
        ]

    def _add(self, run: RunFolder) -> None:
        gap = run.gap
        if gap:
            raise UsageError(gap)
        cfg = run.cfg.copy()
        if cfg.get('default_scope') == 'mmpretrain':
            from .classifier_result import ClassifierResult

            self.classifiers.append(ClassifierResult(run, cfg))
            return
        from .segmentor_result import SegmentorResult

        cfg.merge_from_dict(self.options)
        # seeds of one config cost the same
        measured = _what_it_does(run) not in self._measured
        result = SegmentorResult(run, cfg, self._shown, measured)
        if self._results and result.fingerprint != self._results[0].fingerprint:
            raise UsageError(
                f'other test data than {self._results[0].run.path.name}: {_test_set(result)} instead of '
                f'{_test_set(self._results[0])}'
            )
        self._results.append(result)
        self._measured.add(_what_it_does(run))
        self._doubt(result)

    def _doubt(self, result) -> None:
        run = result.run
        same_part = run.cfg.val_dataloader.dataset == run.cfg.test_dataloader.dataset
        logged = run.score(run.monitored, run.best_epoch) if run.monitored else None
        found = result.scores.get(run.monitored)
        if self.options or not same_part or logged is None or found is None:
            return
        # mmseg rounds its means to two digits
        if abs(found - logged) > 0.05:
            self.doubts[str(run.path)] = (
                f'its checkpoint has a {run.monitored} of {found:.2f}, but its log says {logged:.2f}: the data or '
                'the code have changed since'
            )


def _what_it_does(run: RunFolder) -> frozenset:
    return frozenset(flat_config(run.cfg).items())


def _test_set(result) -> str:
    height, width = result.size
    return f'{len(result.names)} images of {width}x{height} ({", ".join(result.classes)})'
