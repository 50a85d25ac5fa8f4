"""What one synthetic picture looks like before anything stands in it: camera, sun, sensor."""

import numpy as np


class Look:
    """The random choices of one picture that its style decides.

    'render' imitates the Artificial Lunar Landscape set: a grey, clean picture of hilly ground under
    a sky. 'photo' imitates a rover's photographs: long lenses, cameras that look down or at a level
    horizon, any sun, a colour cast, hard tone curves, noise, blur, tracks. 'mixed' tosses a coin
    between the two. 'goal' are photographs of one boulder right before the lens, brighter than the
    dust as often as not.

    Args:
        rng: Random generator.
        style: 'render', 'photo', 'mixed' or 'goal'.

    Attributes:
        focal: Focal length in lengths of the picture's longer side.
        altitude: Height of the lens over the ground in metres.
        sky_share: Share of the picture above the skyline; below 0, the skyline lies that many
            heights of the picture over its upper edge.
        relief: Factor on the slopes of hills.
        patches: How much rougher than the rest some patches of the ground are.
        grit: How rough the ground is within a few pixels; below 1 it is dust, smoother than its rocks.
        sun: Unit vector towards the sun (x to the right, y ahead, z up).
        stone: Mean brightness of the stones, relative to the ground.
        tracks: Whether a rover has passed.
        rubble: Factor on the number of pebbles.
        rocks: Factor on the number of rocks.
        boulder: Logarithm of the usual brightness of a boulder before the lens, relative to the ground.
        goal: Whether a boulder right before the lens is what the picture was taken of.
        hardware: Whether the rover or its lander is in the picture.
        ambient: Light in the shadows, relative to the sun's.
    """

    STYLES = ('render', 'photo', 'mixed', 'goal')
    # How many photographs are of one boulder: a rover drives up to what it wants to see.
    GOAL = 0.4

    def __init__(self, rng, style):
        self.photo = style in ('photo', 'goal') or (style == 'mixed' and bool(rng.random() < 0.5))
        self.patches = rng.choice([0.0, 0.6, 1.2, 2.0])
        self.rubble = np.exp(rng.normal(0.4, 0.7))
        self.grit = rng.uniform(0.1, 0.5) if rng.random() < (0.45 if self.photo else 0.15) else 1.0
        self.goal, self.boulder = False, 0.12
        if style == 'goal':
            self.boulder = rng.uniform(0, 0.8)
        if self.photo:
            self._draw_photo(rng)
            if style == 'goal' or rng.random() < self.GOAL:
                self._aim_at_boulder(rng)
        else:
            self._draw_render(rng)

    def _draw_render(self, rng):
        self.focal, self.altitude = rng.uniform(0.75, 1.25), np.exp(rng.normal(np.log(1.5), 0.35))
        self.sky_share = rng.beta(1.7, 6.8)
        self.relief = 1.0
        # Low, and seldom right behind the camera, where every shadow hides behind its stone.
        # Seldom straight ahead either: then every stone shows its black side.
        bearing = np.pi * rng.beta(2.4, 1.8) * rng.choice([-0.9, 0.9])
        self.sun = self._toward(bearing, rng.uniform(10, 48))
        self.stone = np.exp(rng.normal(0.45, 0.22))
        self.ambient = rng.uniform(0, 0.004)
        self.rocks = 1.0
        self.tracks = self.hardware = False

    def _draw_photo(self, rng):
        self.focal = np.exp(rng.uniform(np.log(0.9), np.log(2.9)))
        self.altitude = np.exp(rng.normal(np.log(1.4), 0.25))
        if rng.random() < 0.42:
            # A long lens is not turned as far down: it would see nothing but a palm of dust.
            self.sky_share = -rng.uniform(0.02, 1.3) / np.sqrt(self.focal)
        else:
            self.sky_share = rng.uniform(0.02, 0.66)
        self.relief = rng.uniform(0.1, 0.45)
        low = rng.random() < 0.3
        self.sun = self._toward(
            np.pi * rng.beta(2.2, 1.3) * rng.choice([-1, 1]),
            rng.uniform(5, 14) if low else rng.uniform(14, 60),
        )
        self.stone = np.exp(rng.normal(0.4, 0.3))
        self.tracks, self.hardware = bool(rng.random() < 0.2), bool(rng.random() < 0.1)
        self.ambient = 0.04 * rng.random() ** 2
        self.rocks = 0.6

    def _aim_at_boulder(self, rng):
        # With the sun behind the rover there is no shadow to tell stone from dust, and the dust
        # between boulders is what is smooth.
        self.goal = True
        self.focal = np.exp(rng.uniform(np.log(0.9), np.log(1.8)))
        self.sky_share = rng.uniform(-0.3, 0.25)
        self.sun = self._toward(
            np.pi * rng.uniform(0.6, 1) * rng.choice([-1, 1]), rng.uniform(15, 55)
        )
        self.stone = np.exp(rng.normal(0.25, 0.25))
        if rng.random() < 0.75:
            self.grit = rng.uniform(0.02, 0.3)

    @staticmethod
    def _toward(bearing, degrees):
        height = np.radians(degrees)
        level = np.cos(height)
        return np.array([np.sin(bearing) * level, np.cos(bearing) * level, np.sin(height)])
