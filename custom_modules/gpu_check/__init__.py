"""What a GPU machine can do: the benchmark of training and prediction by rows, and whether a training there can be repeated."""
