"""The camera: its geometry, its exposure, and the random choices that make the style of a picture."""

import cv2
import numpy as np


class Camera:
    """A level pinhole camera over (0, 0) that looks along +y.

    Looking up or down is a shift of the lens, not a tilt: verticals stay vertical, so each picture column sees one vertical
    slice of the ground, whose visible points follow exactly from a running maximum.

    Args:
        terrain: The ground, a `Terrain`.
        size: Width and height of the picture in pixels.
        focal: Focal length as a multiple of the picture's longer side.
        altitude: Height of the lens above the ground in metres.
        sky_share: Share of the picture above the skyline, up to 1; if negative, the skyline lies that many picture heights
            above the upper edge.
    """

    NEAREST, FARTHEST = 0.4, 1600.0

    def __init__(self, terrain, size, focal, altitude, sky_share):
        width, height = size
        self.size = size
        self.focal = focal * max(size)
        self.across = ((np.arange(width) + 0.5 - width / 2) / self.focal).astype(np.float32)
        samples = int(np.clip(2.2 * height, 260, 960))
        path = np.linspace(0, 1, samples) ** 1.2
        depth = (self.NEAREST * (self.FARTHEST / self.NEAREST) ** path).astype(np.float32)
        ground = terrain.heights(self.across[None, :] * depth[:, None], np.repeat(depth[:, None], width, axis=1))
        here = np.zeros(1, np.float32)
        self.altitude = float(terrain.heights(here, here)[0]) + altitude
        rise = (ground - np.float32(self.altitude)) / depth[:, None]
        skyline = np.maximum.accumulate(rise, axis=0)
        # the row of the horizontal direction that gives the wanted share of sky
        self.level_row = self._find_level_row(skyline[-1], max(sky_share, 1e-3)) + min(sky_share, 0.0) * height
        self.up = ((self.level_row - (np.arange(height) + 0.5)) / self.focal).astype(np.float32)
        self.depth = self._first_hits(depth, rise, skyline)

    def positions(self, depth):
        """Return x, y, z in metres of the points that the pixels see at `depth` (height, width)."""
        return self.across * depth, depth, self.up[:, None] * depth + np.float32(self.altitude)

    def window(self, x, y, z):
        """Return slices of rows and columns, perhaps empty, that contain points given in metres as arrays of the same shape."""
        width, height = self.size
        y = np.maximum(y, 0.3)
        column = x / y * self.focal + width / 2
        row = self.level_row - (z - self.altitude) / y * self.focal
        left, right = np.clip([column.min(), column.max() + 1], 0, width).astype(int)
        top, bottom = np.clip([row.min(), row.max() + 1], 0, height).astype(int)
        return slice(top, bottom), slice(left, right)

    def _find_level_row(self, skyline, sky_share):
        height = self.size[1]
        wanted = sky_share * height
        low, high = -1e5, 1e5
        for _ in range(48):
            middle = (low + high) / 2
            shown = np.clip(middle - skyline.astype(np.float64) * self.focal, 0, height).mean()
            low, high = (middle, high) if shown < wanted else (low, middle)
        return high

    def _first_hits(self, depth, rise, skyline):
        # the first sample at or above the pixel's ray, then the interpolated crossing before it; infinite in the sky
        last = len(depth) - 1
        hits = np.empty((len(self.up), len(self.across)), np.float32)
        for column in range(len(self.across)):
            first = np.searchsorted(skyline[:, column], self.up)
            after = np.clip(first, 1, last)
            low, high = rise[after - 1, column], rise[after, column]
            part = np.clip((self.up - low) / np.maximum(high - low, 1e-9), 0, 1)
            near = depth[after - 1]
            hits[:, column] = np.where(first > last, np.inf, near + part * (depth[after] - near))
        return hits


class Exposure:
    """The random exposure and development of one picture.

    A render is exposed for the ground, with soft highlights and hardly any noise. A photograph may be too dark or too bright,
    with crushed shadows, a colour cast (brown to green), uneven illumination, blur or sharpening, and noise.
    """

    def __init__(self, rng, photo):
        self._rng, self._photo = rng, photo
        self._gamma = rng.uniform(1.7, 2.3)
        self._offset, self._crush, self._sharpen = rng.uniform(0, 2), 0.0, 0.0
        if not photo:
            self._wanted = np.clip(rng.normal(136, 22), 85, 190) / 255
            self._blur, self._noise = rng.uniform(0.5, 0.7), rng.uniform(0.4, 2.0)
            self._cast = 1 + rng.normal(0, 0.005, 3)
            return
        self._wanted = np.clip(rng.normal(124, 32), 55, 205) / 255
        self._blur, self._noise = rng.uniform(0.4, 1.1), rng.uniform(0.3, 4.5)
        self._gamma = rng.uniform(1.2, 2.4)
        if rng.random() < 0.5:
            self._crush = rng.uniform(0, 0.22)
        if rng.random() < 0.4:
            self._sharpen = rng.uniform(0.2, 1.0)
        if rng.random() < 0.7:
            self._offset = 0
        blue = rng.uniform(0.7, 0.93) if rng.random() < 0.88 else 1.0
        green = 1 + (blue - 1) * rng.uniform(0, 0.4)
        self._cast = np.array([blue, green, 1.0]) / np.mean([blue, green, green, 1.0])

    def develop(self, light, ground):
        """Develop `light` per pixel (height, width), 0 in the sky, in any unit, to a picture (height, width, 3), uint8, BGR.

        It is exposed for the pixels of the mask `ground` (height, width).
        """
        lit = light[ground & (light > 0.02)]
        usual = float(np.quantile(lit, 0.6)) if lit.size else 0.3
        exposed = light * (self._wanted**self._gamma / max(usual, 0.02))
        if self._photo:
            corners = np.clip(self._rng.normal(1, 0.1, (2, 2)).astype(np.float32), 0.7, 1.3)
            exposed = exposed * cv2.resize(corners, light.shape[::-1], interpolation=cv2.INTER_LINEAR)
        # compressed highlights, as on film, instead of a hard clip
        exposed = np.where(exposed > 0.6, 0.6 + 0.4 * np.tanh((exposed - 0.6) / 0.4), exposed)
        # the lens blurs a little, before the sensor adds its noise
        blurred = cv2.GaussianBlur(exposed.astype(np.float32), (0, 0), self._blur)
        grey = np.maximum(blurred, 0) ** np.float32(1 / self._gamma)
        if self._sharpen:
            grey += np.float32(self._sharpen) * (grey - cv2.GaussianBlur(grey, (0, 0), 1.2))
        if self._crush:
            # the brightness that is exposed for does not change
            stretch = self._wanted / max(self._wanted - self._crush, 0.05)
            grey = (grey - np.float32(self._crush)) * np.float32(min(stretch, 2.5))
        noise = self._rng.standard_normal((*grey.shape, 1), np.float32) * np.float32(self._noise)
        grey = np.maximum(grey, 0)[..., None]
        # highlights lose their colour
        cast = self._cast.astype(np.float32)
        colour = 255 * grey * (cast + (1 - cast) * np.clip(2 * grey - np.float32(1.2), 0, 0.8))
        # clipped blacks have no noise
        colour += noise + np.float32(self._offset) if self._offset else noise * (colour > 3)
        return np.clip(np.rint(colour), 0, 255).astype(np.uint8)


class SceneStyle:
    """The random choices for one picture that depend on its style.

    'render' imitates the Artificial Lunar Landscape set: a grey, clean picture of hilly ground under a sky. 'photo' imitates a
    rover's photographs: long lenses, cameras that look down or at a level horizon, any sun, a colour cast, hard tone curves,
    noise, blur, tracks. 'mixed' is either with equal probability. 'goal' is a photograph of one boulder right in front of
    the lens, which may be brighter than the dust or not.

    Attributes:
        focal, altitude, sky_share: See `Camera`; relief, patches, grit: See `Terrain`.
        sun: Unit vector towards the sun (x to the right, y ahead, z up).
        stone, ambient: Mean brightness of the stones, relative to the ground; light in shadows, relative to the sun's.
        rubble, rocks: Factors on the numbers of pebbles and of rocks.
        shows_boulder, log_boulder_albedo: Whether one boulder fills the picture; mean logarithm of its albedo, relative to the ground's.
        tracks, hardware: Whether there are wheel tracks; whether a rover or lander is in the picture.
    """

    STYLES = ('render', 'photo', 'mixed', 'goal')
    GOAL = 0.4  # share of the photographs that show one boulder: a rover drives up to what is of interest

    def __init__(self, rng, style):
        self.photo = style in ('photo', 'goal') or (style == 'mixed' and bool(rng.random() < 0.5))
        self.patches = rng.choice([0.0, 0.6, 1.2, 2.0])
        self.rubble = np.exp(rng.normal(0.4, 0.7))
        self.grit = rng.uniform(0.1, 0.5) if rng.random() < (0.45 if self.photo else 0.15) else 1.0
        self.shows_boulder = False
        self.log_boulder_albedo = rng.uniform(0, 0.8) if style == 'goal' else 0.12
        if self.photo:
            self._draw_photo(rng)
            if style == 'goal' or rng.random() < self.GOAL:
                self._aim_at_boulder(rng)
        else:
            self._draw_render(rng)

    def _draw_render(self, rng):
        self.focal, self.altitude = rng.uniform(0.75, 1.25), np.exp(rng.normal(np.log(1.5), 0.35))
        self.sky_share = rng.beta(1.7, 6.8)
        self.relief = self.rocks = 1.0
        # low; seldom behind the camera, where shadows are hidden, or straight ahead, where stones show their dark side
        self.sun = self._direction(np.pi * rng.beta(2.4, 1.8) * rng.choice([-0.9, 0.9]), rng.uniform(10, 48))
        self.stone = np.exp(rng.normal(0.45, 0.22))
        self.ambient = rng.uniform(0, 0.004)
        self.tracks = self.hardware = False

    def _draw_photo(self, rng):
        self.focal = np.exp(rng.uniform(np.log(0.9), np.log(2.9)))
        self.altitude = np.exp(rng.normal(np.log(1.4), 0.25))
        if rng.random() < 0.42:
            # a long lens looks down less steeply: it would see a tiny patch of dust only
            self.sky_share = -rng.uniform(0.02, 1.3) / np.sqrt(self.focal)
        else:
            self.sky_share = rng.uniform(0.02, 0.66)
        self.relief = rng.uniform(0.1, 0.45)
        elevations = (5, 14) if rng.random() < 0.3 else (14, 60)
        self.sun = self._direction(np.pi * rng.beta(2.2, 1.3) * rng.choice([-1, 1]), rng.uniform(*elevations))
        self.stone = np.exp(rng.normal(0.4, 0.3))
        self.tracks, self.hardware = bool(rng.random() < 0.2), bool(rng.random() < 0.1)
        self.ambient = 0.04 * rng.random() ** 2
        self.rocks = 0.6

    def _aim_at_boulder(self, rng):
        # the sun is behind the rover: no shadows separate stone from dust, but the dust between boulders is smooth
        self.shows_boulder = True
        self.focal = np.exp(rng.uniform(np.log(0.9), np.log(1.8)))
        self.sky_share = rng.uniform(-0.3, 0.25)
        self.sun = self._direction(np.pi * rng.uniform(0.6, 1) * rng.choice([-1, 1]), rng.uniform(15, 55))
        self.stone = np.exp(rng.normal(0.25, 0.25))
        if rng.random() < 0.75:
            self.grit = rng.uniform(0.02, 0.3)

    @staticmethod
    def _direction(bearing, degrees):
        elevation = np.radians(degrees)
        level = np.cos(elevation)
        return np.array([np.sin(bearing) * level, np.cos(bearing) * level, np.sin(elevation)])
