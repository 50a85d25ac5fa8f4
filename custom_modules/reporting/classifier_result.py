import hashlib
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner, load_checkpoint

from custom_modules.engine.checkpoint_match import require_all_tensors
from custom_modules.engine.without_cache import without_cache
from custom_modules.preparation.progress import progress

from .model_cost import ModelCost
from .run_folder import RunFolder


class ClassifierResult:
    """A finished classification run, scored again: its best checkpoint on its config's test part.

    Args:
        run (RunFolder): The run.
        cfg (mmengine.Config): Its config.

    Attributes:
        report (dict): What ``ClassificationReport`` computes.
        fingerprint (str): Of image names, labels and classes; runs with the same one can be compared.
        cost (ModelCost): Parameters, operations and speed.

    Raises:
        UsageError: If data or checkpoint are not there or do not fit.
    """

    def __init__(self, run: RunFolder, cfg: Config) -> None:
        from mmengine.device import get_device

        init_default_scope(cfg.default_scope)
        # imported here: a report on segmentors never needs mmpretrain
        from custom_modules.evaluation.classification_report import ClassificationReport

        self.run = run
        loader = Runner.build_dataloader(without_cache(cfg.test_dataloader))
        model = MODELS.build(cfg.model)
        require_all_tensors(model, str(run.checkpoint))
        load_checkpoint(model, str(run.checkpoint), map_location='cpu', logger='silent')
        model = model.to(get_device(), memory_format=torch.channels_last).eval()
        samples = []
        for batch in progress(loader, 'Classifying', len(loader)):
            with torch.inference_mode():
                samples += model.test_step(batch)
        metric = ClassificationReport()
        metric.dataset_meta = loader.dataset.metainfo
        labels = torch.cat([sample.gt_label for sample in samples]).cpu()
        scores = torch.stack([sample.pred_score for sample in samples]).cpu()
        self.report = metric.report(scores, labels)
        names = [Path(sample.img_path).name for sample in samples]
        content = repr((names, labels.tolist(), loader.dataset.metainfo.get('classes')))
        self.fingerprint = hashlib.sha256(content.encode()).hexdigest()[:16]
        self.test_set = f'{len(labels)} images of {scores.shape[1]} classes'
        inputs = model.data_preprocessor(next(iter(loader)), False)['inputs']
        self.cost = ModelCost.of(model, tuple(inputs.shape[2:]))
