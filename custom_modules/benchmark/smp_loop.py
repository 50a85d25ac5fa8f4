from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from mmengine.device import get_device

from .model_facts import model_facts
from .nearest_unet import nearest_unet
from .png_loader import png_loader
from .stopwatch import Stopwatch


class SmpLoop:
    """segmentation-models-pytorch's U-Net of nearest size, trained as in the library's own examples.

    A PyTorch data set that reads the files, a ``DataLoader`` with workers, Dice and cross entropy, AdamW as torch has it by
    default, the loss read in each iteration, validation in batches by ``smp.metrics``, a checkpoint each epoch. It is
    another network than the config's: compare ``gmac`` too.

    Args:
        settings (dict): Of :func:`smp_settings`.
        work_dir (str): Folder for the checkpoints.
    """

    def __init__(self, settings: dict, work_dir: str) -> None:
        self.device = torch.device(get_device())
        self.channels = settings['channels']
        self.work_dir = Path(work_dir)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        self.model, title = nearest_unet(settings['parameters'], self.channels)
        self.model.to(self.device)
        self.train_loader = png_loader(settings, train=True)
        self.val_loader = png_loader(settings, train=False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), settings['lr'])
        mode = 'binary' if self.channels == 1 else 'multiclass'
        self.dice = smp.losses.DiceLoss(mode, ignore_index=255)
        self.facts = model_facts(self.model, settings['size'][::-1]) | dict(title=title)

    def train(self, watch: Stopwatch) -> None:
        """Train an epoch.

        Args:
            watch (Stopwatch): Ends each iteration there.
        """
        self.model.train()
        total = 0.0
        for images, labels in self.train_loader:
            watch.mark('data')
            images, labels = images.to(self.device), labels.to(self.device)
            watch.mark('prepare')
            logits = self.model(images)
            loss = self._entropy(logits, labels) + self.dice(logits, labels)
            total += loss.item()
            watch.mark('forward')
            loss.backward()
            watch.mark('backward')
            self.optimizer.step()
            self.optimizer.zero_grad()
            watch.mark('step')
            watch.end_iteration(len(images))
        print(f'loss {total / len(self.train_loader):.4f}', flush=True)

    @torch.no_grad()
    def validate(self) -> int:
        """Compute the IoU, and write a checkpoint.

        Returns:
            int: Number of images.
        """
        self.model.eval()
        counts, binary = [], self.channels == 1
        # it cannot ignore a label in the binary case
        several = dict(mode='multiclass', num_classes=self.channels, ignore_index=255)
        options = dict(mode='binary') if binary else several
        for images, labels in self.val_loader:
            logits = self.model(images.to(self.device))
            found = (logits[:, 0] > 0).long() if binary else logits.argmax(1)
            counts.append(smp.metrics.get_stats(found.cpu(), labels, **options))
        merged = [torch.cat(parts) for parts in zip(*counts, strict=True)]
        score = smp.metrics.iou_score(*merged, reduction='micro')
        print(f'IoU {score:.4f}', flush=True)
        torch.save(self.model.state_dict(), self.work_dir / 'last.pth')
        return len(self.val_loader.dataset)

    def _entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.channels > 1:
            return torch.nn.functional.cross_entropy(logits, labels, ignore_index=255)
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0], (labels == 1).float()
        )
