from mmengine.dataset import Compose
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from custom_modules.datasets.class_palette import class_palette


class NoPairs(Dataset):
    """A data set's classes, pipeline and size without a single pair, for image files that are in no data set.

    Args:
        cfg (dict): The data set's config; its folders need not exist.

    Attributes:
        metainfo (dict): ``classes`` and ``palette``.
        pipeline (Compose): As of the data set.
    """

    def __init__(self, cfg: dict) -> None:
        known = dict(getattr(DATASETS.get(cfg['type']), 'METAINFO', {}))
        known.update(cfg.get('metainfo') or {})
        known.update({key: cfg[key] for key in ('classes', 'palette') if cfg.get(key)})
        classes = tuple(known['classes'])
        self.metainfo = dict(
            classes=classes, palette=class_palette(len(classes), known.get('palette'))
        )
        self.pipeline = Compose(cfg['pipeline'])
        self.load_size = cfg.get('load_size')

    def __len__(self) -> int:
        return 0

    def get_data_info(self, index: int) -> dict:
        """What any image of the data set would have.

        Args:
            index (int): Not used.

        Returns:
            dict: ``load_size``, (width, height) or None.
        """
        return dict(load_size=self.load_size)
