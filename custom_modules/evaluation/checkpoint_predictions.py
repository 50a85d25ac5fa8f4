from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader

from custom_modules.preparation.progress import progress
from custom_modules.usage_error import UsageError

from .prediction import Prediction


class CheckpointPredictions:
    """The predictions of a segmentor's checkpoint on a part of its config's data, image by image.

    Data and model are built, and the checkpoint is compared with the model, at once; the images are predicted as they
    are asked for, so a large set needs no large memory.

    Args:
        cfg (mmengine.Config): A segmentor's config.
        checkpoint (str): Its weights.
        part (str): ``'test'`` (default), ``'val'`` or ``'train'``: which data loader. The training part is loaded as the
            test part is: in order, without augmentation.
        with_data (bool): False builds no data set, for image files alone (:class:`NoPairs`). Defaults to True.

    Attributes:
        model (nn.Module): The model, in eval mode, on the fastest device there is.
        classes (tuple[str]): Names of the classes, the background first.
        palette (list): RGB of each class.
        threshold (float | None): Above which probability class 1 is predicted; None for several channels.

    Raises:
        UsageError: If the config is no segmentor's, the data has a defect, or the checkpoint does not fit.
    """

    def __init__(self, cfg, checkpoint: str, part: str = 'test', with_data: bool = True) -> None:
        from mmengine.dataset import pseudo_collate
        from mmengine.device import get_device
        from mmengine.registry import MODELS, init_default_scope
        from mmengine.runner import Runner, load_checkpoint

        from custom_modules.engine.checkpoint_match import require_all_tensors
        from custom_modules.engine.without_cache import without_cache

        if cfg.get('default_scope') != 'mmseg':
            raise UsageError(
                "this is no segmentor's config, and only masks can be compared: choose one with "
                "default_scope='mmseg', such as configs/unet_baseline.py."
            )
        init_default_scope(cfg.default_scope)
        loader = cfg.get(f'{part}_dataloader')
        if not loader:
            raise UsageError(f'the config has no {part}_dataloader: choose another part.')
        if 'pipeline' not in loader.dataset:
            raise UsageError(
                f'the {part} data set is a {loader.dataset.type}, a set of data sets: choose one of them with '
                f'--cfg-options {part}_dataloader.dataset=..., or a config whose {part} set is a single one.'
            )
        if part == 'train':
            # no augmentation, no shuffling
            test = cfg.test_dataloader
            loader = dict(test, dataset=dict(loader.dataset, pipeline=test.dataset.pipeline))
        if with_data:
            self.loader = Runner.build_dataloader(without_cache(loader))
        else:
            from .no_pairs import NoPairs

            self.loader = DataLoader(NoPairs(loader['dataset']), collate_fn=pseudo_collate)
        model = MODELS.build(cfg.model)
        require_all_tensors(model, checkpoint)
        load_checkpoint(model, checkpoint, map_location='cpu', logger='silent')
        self.model = model.to(get_device(), memory_format=torch.channels_last).eval()
        self.classes = tuple(self.loader.dataset.metainfo['classes'])
        self.palette = [list(colour) for colour in self.loader.dataset.metainfo['palette']]
        head = model.decode_head
        self.threshold = head.threshold if head.out_channels == 1 else None

    def __len__(self) -> int:
        return len(self.loader.dataset)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(progress(self._predict(), 'Predicting', len(self)))

    def _predict(self) -> Iterator[Prediction]:
        for batch in self.loader:
            with torch.inference_mode():
                samples = self.model.test_step(batch)
            yield from map(self._prediction, samples)

    def _prediction(self, sample) -> Prediction:
        raw = sample.seg_logits.data.float()
        # mmseg hands over the probability itself where there is one channel
        probabilities = torch.cat([1 - raw, raw]) if len(raw) == 1 else raw.softmax(dim=0)
        return Prediction(
            img_path=sample.img_path,
            truth=sample.gt_sem_seg.data[0].cpu().numpy().astype(np.uint8),
            predicted=sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8),
            probabilities=probabilities.cpu().numpy(),
        )
