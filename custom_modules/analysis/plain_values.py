import math
from collections.abc import Mapping

import numpy as np
import pandas as pd


def plain_values(value):
    """Turn results into what JSON can hold: tables become lists of rows, nan becomes None.

    Args:
        value: Numbers, words, None, arrays, tables, and dicts and lists of them.

    Example:
        >>> plain_values(dict(a=np.float32(0.5), b=np.array([1, 2]), c=pd.DataFrame(dict(x=[np.nan]))))
        {'a': 0.5, 'b': [1, 2], 'c': [{'x': None}]}
    """
    if isinstance(value, pd.DataFrame):
        return plain_values(value.to_dict('records'))
    if isinstance(value, Mapping):
        return {name: plain_values(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
