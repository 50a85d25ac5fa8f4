from collections.abc import Mapping

from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png

NAMED = 8


def draw_image_sizes(sizes: Mapping[str, int]) -> bytes:
    """Draw how many images have which size.

    Args:
        sizes (Mapping[str, int]): Number of images of each ``'<width>x<height>'``, most frequent first.

    Returns:
        bytes: The picture, PNG: a dot for each size, the eight most frequent with their numbers.
    """
    figure = Figure(figsize=(6.5, 5), layout='constrained')
    axes = figure.add_subplot()
    most = max(sizes.values(), default=1)
    longest = [1, 1]
    for rank, (name, count) in enumerate(sizes.items()):
        width, height = map(int, name.split('x'))
        longest = [max(longest[0], width), max(longest[1], height)]
        axes.scatter(width, height, 40 + 400 * count / most, '#0072b2', alpha=0.6, linewidths=0)
        if rank < NAMED:
            text = f'{name}: {count} image{"s" * (count > 1)}'
            axes.annotate(text, (width, height), (0, 14), textcoords='offset points', ha='center')
    axes.set(
        xlim=(0, 1.3 * longest[0]),
        ylim=(0, 1.3 * longest[1]),
        xlabel='width (pixels)',
        ylabel='height (pixels)',
        title=f'{sum(sizes.values())} images, {len(sizes)} size{"s" * (len(sizes) != 1)}',
        aspect='equal',
    )
    axes.grid(alpha=0.3)
    return figure_png(figure)
