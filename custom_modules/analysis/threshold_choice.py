from .threshold_sweep import THRESHOLDS, ThresholdSweep


def threshold_choice(
    val: ThresholdSweep, part: ThresholdSweep, default: float, default_dice: float, same_data: bool
) -> dict:
    """Choose the threshold with the best Dice on the validation part, and say what it scores on the chosen part.

    Args:
        val (ThresholdSweep): Of the validation part.
        part (ThresholdSweep): Of the part that is analysed.
        default (float): The threshold of the config.
        default_dice (float): What it scores on the chosen part, percent.
        same_data (bool): Whether both parts share images: then the score is too good.

    Returns:
        dict: ``best``, ``val_dice`` (at the best), ``dice`` (at the best, on the part), ``default``, ``default_dice``,
        ``same_data``, ``config`` (the line that sets it), ``val`` and ``part`` (all thresholds' scores, tables).
    """
    best = float(THRESHOLDS[val.best])
    on_val, on_part = val.table(), part.table()
    return dict(
        best=best,
        val_dice=float(on_val.Dice[val.best]),
        dice=float(on_part.Dice[val.best]),
        default=default,
        default_dice=default_dice,
        same_data=same_data,
        config=f'model = dict(decode_head=dict(threshold={best:g}))',
        val=on_val,
        part=on_part,
    )
