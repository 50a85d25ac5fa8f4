"""An exported model in mmengine's runner, so that the config's own pipeline and metrics score it."""

from pathlib import Path

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor

from custom_modules.evaluation.exported import OnnxModel
from custom_modules.utils.errors import UsageError


@MODELS.register_module()
class ExportedModel(BaseModel):
    """A file of ``tools/export.py`` in place of a config's model, to be tested and not to be trained.

    Args:
        file (str | Path): The file.

    Raises:
        UsageError: If it cannot be used, or scores pictures of another size than it takes.
    """

    def __init__(self, file: str | Path) -> None:
        super().__init__()
        self.exported = OnnxModel(file)

    def forward(self, inputs: Tensor, data_samples=None, mode: str = 'tensor') -> Tensor:
        """Compute probabilities.

        Args:
            inputs (Tensor): Images (N, 3, H, W), uint8, BGR, as data sets give them.
            data_samples (optional): Not used.
            mode (str): Only ``'tensor'``.

        Returns:
            Tensor: Of a segmentor (N, K, H, W), of a classifier (N, K), float32.
        """
        images = inputs.permute(0, 2, 3, 1).flip(-1).cpu().numpy()
        return torch.from_numpy(self.exported(images))

    def test_step(self, data: dict) -> list[BaseDataElement]:
        """Predict a batch.

        Args:
            data (dict): ``inputs``, a list of images or one tensor of them, and ``data_samples``, a list or one of all.

        Returns:
            list: The samples, with what their library's metrics look for.
        """
        inputs, samples = data['inputs'], data['data_samples']
        found = self(inputs if torch.is_tensor(inputs) else torch.stack(list(inputs)))
        labels = torch.from_numpy(self.exported.card.labels(found.numpy())).long()
        if self.exported.card.task == 'classification':
            return self._classified(samples, found, labels[:, None])
        for sample, probability, label in zip(samples, found, labels, strict=True):
            if tuple(sample.ori_shape) != tuple(label.shape):
                raise UsageError(
                    'an exported file is scored at the size that it sees: set load_size in test_dataloader.dataset.'
                )
            sample.seg_logits = PixelData(data=probability)
            sample.pred_sem_seg = PixelData(data=label[None])
        return list(samples)

    @staticmethod
    def _classified(samples, scores: Tensor, labels: Tensor) -> list[BaseDataElement]:
        if isinstance(samples, BaseDataElement):
            # a whole batch: see BatchClassifier
            samples.set_field(scores, 'pred_score', dtype=Tensor)
            samples.set_field(labels, 'pred_label', dtype=Tensor)
            return [samples]
        for sample, score, label in zip(samples, scores, labels, strict=True):
            sample.set_pred_score(score).set_pred_label(label)
        return list(samples)
