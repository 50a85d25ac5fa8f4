from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS


@MODELS.register_module()
class BinaryTTAModel(SegTTAModel):
    """Test-time augmentation for one sigmoid channel.

    mmseg's ``SegTTAModel`` takes the sigmoid of what its segmentor already made a probability, which
    is above 0.5 everywhere: with a threshold of 0.5 every pixel becomes rock. Here the
    probabilities of the views are averaged as they are.
    """

    def merge_preds(self, data_samples_list: list) -> list:
        """Average the views of each image.

        Args:
            data_samples_list (list[list[SegDataSample]]): The views of each image, flipped back.

        Returns:
            list[SegDataSample]: One sample per image with the mean ``seg_logits`` (probabilities) and ``pred_sem_seg``.
        """
        if self.module.out_channels > 1:
            return super().merge_preds(data_samples_list)
        merged = []
        for views in data_samples_list:
            probability = sum(view.seg_logits.data for view in views) / len(views)
            threshold = self.module.decode_head.threshold
            sample = views[0]
            sample.seg_logits = PixelData(data=probability)
            sample.pred_sem_seg = PixelData(data=(probability > threshold).to(probability))
            merged.append(sample)
        return merged
