from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PlannedRun:
    """One training of a sweep.

    Attributes:
        config (Path): The config's file.
        name (str): What all its seeds are called: the config's name and what is varied.
        seed (int): The seed.
        folder (Path): Its work dir.
        options (tuple[str]): Its ``--cfg-options``, as ``KEY=VALUE``, without the seed.
        cfg (mmengine.Config): The config with its options, without the seed.
    """

    config: Path
    name: str
    seed: int
    folder: Path
    options: tuple[str, ...]
    cfg: Any

    @property
    def title(self) -> str:
        """The run in few words."""
        return f'{self.name} seed {self.seed}'

    @property
    def epochs(self) -> int:
        """The planned epochs."""
        return self.cfg.train_cfg.max_epochs

    @property
    def score(self) -> str | None:
        """The score by which the best checkpoint is chosen, the first of several."""
        best = self._checkpoint.get('save_best')
        return best[0] if isinstance(best, list | tuple) else best

    @property
    def less_is_better(self) -> bool:
        """Whether a lower score is the better one."""
        return self._checkpoint.get('rule') == 'less'

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return (self.folder / 'last_checkpoint').is_file()

    @property
    def _checkpoint(self) -> dict:
        return (self.cfg.get('default_hooks') or {}).get('checkpoint') or {}
