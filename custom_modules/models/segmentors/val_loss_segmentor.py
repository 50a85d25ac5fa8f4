from collections import defaultdict

import torch
from mmengine.dist import all_reduce_dict
from mmengine.structures import BaseDataElement
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS

from .batches_of_one_size import batches_of_one_size


@MODELS.register_module()
class ValLossSegmentor(EncoderDecoder):
    """An ``EncoderDecoder`` that reports its loss in validation as well.

    mmengine's ``ValLoop`` averages the losses that a model hands over beside its predictions, but no model of mmseg
    does. The loss comes from the logits of the prediction: nothing is computed twice. It appears as
    ``val_loss`` among the scores, with each part as ``val_loss_...``; a mean over the images, whatever the batch size, of the decode
    head only, and only with ``test_cfg=dict(mode='whole')``. Arguments are mmseg's ``EncoderDecoder``'s.
    """

    def val_step(self, data: dict) -> list:
        """Predict a validation batch and compute its loss.

        Args:
            data (dict): A batch of the data loader; its images may differ in size.

        Returns:
            list: One ``SegDataSample`` per image, and a ``BaseDataElement`` with the losses of each image.
        """
        if self.test_cfg.mode != 'whole':
            predict = super().val_step
            return [sample for part in batches_of_one_size(data) for sample in predict(part)]
        predictions, losses = [], defaultdict(list)
        for part in batches_of_one_size(data):
            self._predict_with_loss(part, predictions, losses)
        losses = {name: torch.stack(values) for name, values in losses.items()}
        # mmengine averages over this process only: each would see another loss, and stop at another time
        all_reduce_dict(losses, 'mean')
        # together: each transfer waits for the device
        table = torch.stack(list(losses.values())).cpu()
        losses = {name: list(values) for name, values in zip(losses, table, strict=True)}
        return [*predictions, BaseDataElement(loss=losses)]

    def test_step(self, data: dict) -> list:
        """Predict a batch.

        Args:
            data (dict): A batch of the data loader; its images may differ in size.

        Returns:
            list[SegDataSample]: One per image.
        """
        predict = super().test_step
        return [sample for part in batches_of_one_size(data) for sample in predict(part)]

    def _predict_with_loss(self, data: dict, predictions: list, losses: dict[str, list]) -> None:
        data = self.data_preprocessor(data, False)
        samples = data['data_samples']
        logits = self.decode_head(self.extract_feat(data['inputs']))
        # image by image, so that the value does not depend on the batch size (Dice of a batch is no mean of Dices)
        for i, sample in enumerate(samples):
            for name, value in self.decode_head.loss_by_feat(logits[i : i + 1], [sample]).items():
                if 'loss' in name:
                    losses[f'val_{name}'].append(value)
        metas = [sample.metainfo for sample in samples]
        predicted = self.decode_head.predict_by_feat(logits, metas)
        predictions.extend(self.postprocess_result(predicted, samples))
