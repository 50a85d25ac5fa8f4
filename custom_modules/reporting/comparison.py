from collections.abc import Sequence
from pathlib import Path

from custom_modules.engine.command_line import config_sections
from custom_modules.usage_error import UsageError

from .arm import Arm
from .flat_config import flat_config
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
        for key in self.options:
            if key.split('.')[0] not in config_sections():
                raise UsageError(
                    f'--cfg-options {key} would change nothing: give the place that is read, such as '
                    'test_dataloader.dataset.data_root.'
                )
        self.classifiers, self.left_out, self.doubts = [], {}, {}
        self._results, self._measured = [], set()
        # each folder once, however it is written
        for path in dict.fromkeys(Path(path).resolve() for path in work_dirs):
            try:
                self._add(RunFolder(path))
            except UsageError as error:
                self.left_out[str(path)] = str(error)
            except Exception as error:
                # whatever is wrong with one run, the others are reported on
                reason = str(error).split('\n')[0]
                self.left_out[str(path)] = f'{type(error).__name__}: {reason}'
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
        """Name the arms; where several have one config's name, or a sweep gave a longer one, by folder, as much of it as needed."""
        names = [arm.name for arm in self.arms]
        folders = [arm.first.run.group for arm in self.arms]
        # seeds of one folder that differ in more
        folders = [
            arm.first.run.path if folders.count(folder) > 1 else folder
            for arm, folder in zip(self.arms, folders, strict=True)
        ]
        for depth in range(1, 20):
            shown = ['/'.join(folder.parts[-depth:]) for folder in folders]
            labels = [
                own if names.count(name) > 1 or folder.name.startswith(f'{name}__') else name
                for own, name, folder in zip(shown, names, folders, strict=True)
            ]
            if len(set(labels)) == len(labels):
                break
        return labels

    def _add(self, run: RunFolder) -> None:
        gap = run.gap
        if gap:
            raise UsageError(gap)
        cfg = run.cfg.copy()
        cfg.merge_from_dict(self.options)
        if cfg.get('default_scope') == 'mmpretrain':
            from .classifier_result import ClassifierResult

            result = ClassifierResult(run, cfg)
            self._require_same_test_data(result, self.classifiers)
            self.classifiers.append(result)
            return
        from .segmentor_result import SegmentorResult

        # seeds of one config cost the same
        measured = _what_it_does(run) not in self._measured
        result = SegmentorResult(run, cfg, self._shown, measured)
        self._require_same_test_data(result, self._results)
        for other in self._results:
            if other.run.seed == run.seed and other.weights == result.weights:
                raise UsageError(f'the same weights as {other.run.title}: a copy is no other seed')
        self._results.append(result)
        self._measured.add(_what_it_does(run))
        self._doubt(result)

    def _require_same_test_data(self, result, others: list) -> None:
        if others and result.fingerprint != others[0].fingerprint:
            raise UsageError(
                f'other test data than {others[0].run.title}: {result.test_set} instead of {others[0].test_set}'
            )

    def _doubt(self, result) -> None:
        run = result.run
        if any(
            other is not result
            and other.run.seed == run.seed
            and _what_it_does(other.run) == _what_it_does(run)
            for other in self._results
        ):
            self.doubts[str(run.path)] = f'seed {run.seed} is there twice: it counts twice'
        logged = run.score(run.monitored, run.best_epoch) if run.monitored else None
        found = result.scores.get(run.monitored)
        if not result.chosen_on_test or logged is None or found is None:
            return
        # mmseg rounds its means to two digits
        if abs(found - logged) > 0.05:
            self.doubts[str(run.path)] = (
                f'its checkpoint has a {run.monitored} of {found:.2f}, but its log says {logged:.2f}: the data or '
                'the code have changed since'
            )


def _what_it_does(run: RunFolder) -> frozenset:
    return frozenset(flat_config(run.cfg).items())
