"""segmentation-models-pytorch, as its users train it and predict: what one would pick instead."""

import itertools
import multiprocessing
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from custom_modules.engine.config import without_cache
from custom_modules.engine.config_checks import head_size

from .measuring import Contestant, Stopwatch, model_facts
from .prediction import Prediction
from .training import LoopTraining, class_indices

# encoders of 0.4 to 14 million parameters; resnet18 alone has 11
ENCODERS = (
    'timm-mobilenetv3_small_minimal_100',
    'timm-mobilenetv3_small_100',
    'mobilenet_v2',
    'resnet18',
)
# of the finest level, doubled from each level to the next; the library's own is 16
WIDTHS = (4, 6, 8, 12, 16, 24)


class SmpContestant(Contestant):
    """The library's U-Net whose number of parameters is nearest; another network than the config's: compare ``gmac`` too.

    Args:
        cfg (Config): The config of a segmentor.
        size (Sequence[int]): Width and height of its images.
        workers (int): Worker processes of each loader.
        work_dir (Path, optional): Folder for the checkpoints.
    """

    def __init__(self, cfg: Config, size, workers: int = 0, work_dir: Path | None = None) -> None:
        title = 'U-Net of segmentation-models-pytorch of nearest size, in a plain loop'
        super().__init__('smp', title, 'float32', ['segmentation_models_pytorch'])
        self.channels = head_size(cfg, cfg.model.decode_head)[1]
        self.workers, self.work_dir, self.size = workers, work_dir, size[::-1]
        self.batch = cfg.train_dataloader.batch_size
        self.lr = cfg.optim_wrapper.optimizer.lr
        self.sets = {part: FilePairs(cfg, part, size) for part in ('train', 'val')}
        with MODELS.switch_scope_and_registry(cfg.default_scope) as registry:
            self.parameters = sum(p.numel() for p in registry.build(cfg.model).parameters())

    def build(self) -> dict:
        """Build the model."""
        self.device = torch.device(get_device())
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        self.model, title = nearest_unet(self.parameters, self.channels)
        self.model.to(self.device)
        self.count = len(self.sets['val'])
        return model_facts(self.model, self.size) | dict(title=title)

    def loader(self, train: bool) -> DataLoader:
        """Make a loader of files."""
        # a spawned process, as this one, would spawn its workers too: a user's script forks them
        fork = self.workers > 0 and 'fork' in multiprocessing.get_all_start_methods()
        return DataLoader(
            self.sets['train' if train else 'val'],
            shuffle=train,
            batch_size=self.batch,
            num_workers=self.workers,
            multiprocessing_context='fork' if fork else None,
            persistent_workers=self.workers > 0,
        )


class SmpTraining(SmpContestant, LoopTraining):
    """Trained as in the library's own examples.

    A PyTorch data set that reads the files, Dice and cross entropy, AdamW as torch has it by default, the loss read in
    each iteration, ``smp.metrics``, a checkpoint each epoch.
    """

    def build(self) -> dict:
        """Build model, loaders, loss and optimizer."""
        from segmentation_models_pytorch.losses import DiceLoss

        facts = super().build()
        self.loaders = self.loader(train=True), self.loader(train=False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), self.lr)
        self.dice = DiceLoss('binary' if self.channels == 1 else 'multiclass', ignore_index=255)
        return facts

    def train(self, watch: Stopwatch) -> None:
        """Train an epoch."""
        self.model.train()
        for images, labels in self.loaders[0]:
            watch.mark('data')
            images, labels = images.to(self.device), labels.to(self.device)
            watch.mark('prepare')
            logits = self.model(images)
            if self.channels == 1:
                rock = (labels == 1).float()
                entropy = F.binary_cross_entropy_with_logits(logits[:, 0], rock)
            else:
                entropy = F.cross_entropy(logits, labels, ignore_index=255)
            loss = entropy + self.dice(logits, labels)
            print(f'loss {loss.item():.4f}')
            watch.mark('forward')
            loss.backward()
            watch.mark('backward')
            self.optimizer.step()
            self.optimizer.zero_grad()
            watch.mark('step')
            watch.end_iteration(len(images))

    @torch.no_grad()
    def validate(self) -> int:
        """Compute the IoU, and write a checkpoint."""
        from segmentation_models_pytorch import metrics

        self.model.eval()
        # it cannot ignore a label in the binary case
        several = dict(mode='multiclass', num_classes=self.channels, ignore_index=255)
        counts = []
        for images, labels in self.loaders[1]:
            found = class_indices(self.model(images.to(self.device))).long().cpu()
            options = dict(mode='binary') if self.channels == 1 else several
            counts.append(metrics.get_stats(found, labels, **options))
        merged = [torch.cat(parts) for parts in zip(*counts, strict=True)]
        print(f'IoU {metrics.iou_score(*merged, reduction="micro"):.4f}', flush=True)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        torch.save(self.model.state_dict(), self.work_dir / 'last.pth')
        return self.count


class SmpPrediction(SmpContestant, Prediction):
    """The U-Net alone, and from files."""

    def build(self) -> dict:
        """Build the model."""
        facts = super().build()
        self.model.eval()
        return facts

    def network(self, inputs: Tensor) -> Tensor:
        """Compute logits."""
        return self.model(inputs)

    def files(self, rows: list[int]) -> Tensor:
        """Read some images and predict each pixel's class."""
        images = torch.stack([self.sets['val'][row][0] for row in rows]).to(self.device)
        return class_indices(self.model(images)).cpu()


class FilePairs(Dataset):
    """Pairs of files as a user of plain PyTorch reads them, decoded each time; half of them flipped for training.

    Args:
        cfg (Config): The config whose files they are.
        part (str): ``'train'`` or ``'val'``.
        size (Sequence[int]): Width and height to resize to.
    """

    def __init__(self, cfg: Config, part: str, size) -> None:
        settings = without_cache(cfg[f'{part}_dataloader'].dataset)
        with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
            listed = registry.build(settings)
        items = [listed.get_data_info(i) for i in range(len(listed))]
        self.pairs = [(item['img_path'], item['seg_map_path']) for item in items]
        self.label_map = items[0].get('label_map') or {}
        norm = cfg.model.data_preprocessor
        self.mean, self.std = np.array(norm.mean, np.float32), np.array(norm.std, np.float32)
        self.size, self.flip = tuple(size), part == 'train'

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return an image (3, H, W) of floats and its labels (H, W)."""
        image_path, mask_path = self.pairs[index]
        image = cv2.resize(cv2.cvtColor(cv2.imread(image_path), cv2.COLOR_BGR2RGB), self.size)
        mask = cv2.imread(mask_path, cv2.IMREAD_UNCHANGED)
        mask = cv2.resize(mask, self.size, interpolation=cv2.INTER_NEAREST)
        label = mask.astype(np.int64)
        for value, index_of_class in self.label_map.items():
            label[mask == value] = index_of_class
        if self.flip and np.random.rand() < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        image = ((image.astype(np.float32) - self.mean) / self.std).transpose(2, 0, 1)
        return torch.from_numpy(image.copy()), torch.from_numpy(label.copy())


def nearest_unet(parameters: int, classes: int) -> tuple[torch.nn.Module, str]:
    """Make the library's U-Net, with random weights, whose number of parameters is nearest; and say what it is."""
    import segmentation_models_pytorch as smp

    def unet(encoder: str, width: int) -> torch.nn.Module:
        widths = [width * 2**level for level in (4, 3, 2, 1, 0)]
        return smp.Unet(encoder, encoder_weights=None, decoder_channels=widths, classes=classes)

    def miss(choice: tuple[str, int]) -> int:
        return abs(sum(p.numel() for p in unet(*choice).parameters()) - parameters)

    # counted without allocating anything
    with torch.device('meta'):
        encoder, width = min(itertools.product(ENCODERS, WIDTHS), key=miss)
    return unet(encoder, width), f'smp.Unet({encoder!r}), its finest level {width} wide'
