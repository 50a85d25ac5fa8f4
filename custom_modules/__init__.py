"""Moon rock segmentation: an OpenMMLab plugin project."""

import os

# large tensors in huge pages, which torch asks for at its first allocation: steps on a CPU are faster and steadier (docs/speed.md)
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')
