from mmengine.dist import all_reduce_dict
from mmengine.structures import BaseDataElement
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS


@MODELS.register_module()
class ValLossSegmentor(EncoderDecoder):
    """An ``EncoderDecoder`` that reports its loss in validation as well.

    mmengine's ``ValLoop`` averages the losses that a model hands over beside its predictions, but no model of mmseg
    does. The loss comes from the logits of the prediction: nothing is computed twice. It appears as
    ``val_loss`` among the scores, with each part as ``val_loss_...``; a mean over validation batches, of the decode head
    only, and only with ``test_cfg=dict(mode='whole')``. Arguments are mmseg's ``EncoderDecoder``'s.
    """

    def val_step(self, data: dict) -> list:
        """Predict a validation batch and compute its loss.

        Args:
            data (dict): A batch of the data loader.

        Returns:
            list: One ``SegDataSample`` per image, and a ``BaseDataElement`` with the losses.
        """
        if self.test_cfg.mode != 'whole':
            return super().val_step(data)
        data = self.data_preprocessor(data, False)
        samples = data['data_samples']
        logits = self.decode_head(self.extract_feat(data['inputs']))
        losses = self.decode_head.loss_by_feat(logits, samples)
        metas = [sample.metainfo for sample in samples]
        predicted = self.decode_head.predict_by_feat(logits, metas)
        losses = {f'val_{name}': value for name, value in losses.items() if 'loss' in name}
        # mmengine averages over batches only: each process would see another loss, and stop at another time
        all_reduce_dict(losses, 'mean')
        return [*self.postprocess_result(predicted, samples), BaseDataElement(loss=losses)]
