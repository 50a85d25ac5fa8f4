"""Renders image and mask of a scene: rocks, rover hardware and tracks."""

import cv2
import numpy as np

from custom_modules.preparation.lunar import small_areas
from custom_modules.preparation.synthetic.camera import Camera, Exposure, SceneStyle
from custom_modules.preparation.synthetic.rocks import RockField
from custom_modules.preparation.synthetic.terrain import Terrain, TerrainShadow


class Hardware:
    """Parts of a rover or lander that reach into the picture: bright, angular and hard-edged like rocks, but not labelled.

    Boxes wrapped in crinkled foil (of `ScreenNoise`), masts and dark decks, drawn flat in front of the scene. `covered` is
    the mask of their pixels, `light` their brightness relative to the sunlit ground; both are (height, width).
    """

    MOST = 4

    def __init__(self, rng, noise, size):
        width, height = size
        self.light = np.zeros((height, width), np.float32)
        cover = np.zeros((height, width), np.uint8)
        crinkles = sum(share * noise.layer(cell) for cell, share in ((3, 0.4), (7, 0.7)))
        # facets: each mirrors a piece of the black sky, of the ground, or the sun itself
        crinkles = np.floor(crinkles * 2) / 2
        foot, across = rng.uniform(-0.1, 1.1) * width, rng.uniform(0.05, 0.2) * width
        for _ in range(rng.integers(1, self.MOST + 1)):
            part = np.zeros_like(cover)
            cv2.fillConvexPoly(part, self._outline(rng, foot, across, height), 1)
            shiny, bright = rng.uniform(0.1, 1.2), np.exp(rng.normal(0.2, 0.5))
            if rng.random() < 0.3:  # in its own shadow
                bright = rng.uniform(0, 0.1)
            self.light = np.where(part > 0, np.float32(bright) * np.exp(np.float32(shiny) * crinkles), self.light)
            cover |= part
            foot, across = foot + rng.normal(0, 1) * across, across * rng.uniform(0.3, 1.5)
        if rng.random() < 0.35:
            # the black edge of a mosaic, or a deck that hides the lower part
            deck = int(height * (1 - rng.uniform(0.02, 0.12)))
            cover[deck:], self.light[deck:] = 1, rng.choice([0.0, rng.uniform(0, 0.6)])
        self.covered = cover > 0

    @staticmethod
    def _outline(rng, foot, across, height):
        top = height * (1 - rng.uniform(0.05, 0.35))
        left, right = foot - across / 2, foot + across / 2
        slant = rng.normal(0, 0.25, 2) * across
        lower = top + abs(rng.normal(0, 0.1)) * height
        corners = [(left, height + 9), (right, height + 9), (right + slant[0], lower), (left + slant[1], top)]
        return np.rint(cv2.convexHull(np.array(corners, np.float32))).astype(np.int32)


class RoverTrack:
    """Two parallel bands that cleated wheels pressed into the ground, along a wide circle that passes `distance` metres ahead."""

    GAUGE, WIDTH, CLEAT = 0.75, 0.11, 0.09

    def __init__(self, rng, distance):
        self._radius = np.exp(rng.uniform(np.log(4), np.log(60)))
        bearing = rng.uniform(0, 2 * np.pi)
        self._x = np.cos(bearing) * self._radius
        self._y = distance + np.sin(bearing) * self._radius
        self._depth, self._dark = rng.uniform(0.2, 0.5), rng.uniform(0.72, 0.95)

    def press(self, x, y, footprint, slope, albedo):
        """Press the marks into `slope` (of the ground along y) and `albedo`, in place; all are (height, width), in metres."""
        dx, dy = x - np.float32(self._x), y - np.float32(self._y)
        off = np.hypot(dx, dy) - np.float32(self._radius)
        near = (np.abs(np.abs(off) - np.float32(self.GAUGE)) < self.WIDTH) & (footprint < self.WIDTH)
        arc = np.arctan2(dy[near], dx[near]) * np.float32(self._radius / self.CLEAT * 2 * np.pi)
        seen = np.clip(np.float32(self.CLEAT / 3) / footprint[near], 0, 1)
        slope[near] += np.float32(self._depth) * np.sin(arc) * seen
        albedo[near] *= np.float32(self._dark)


class ScreenNoise:
    """Smooth noise of unit variance over the picture, one layer per wavelength, computed on first use."""

    WAVELENGTHS = (3, 7, 16, 36, 80)

    def __init__(self, rng, size):
        self._size = size
        self._seeds = rng.integers(0, 2**31, len(self.WAVELENGTHS))
        self._layers, self._slopes = {}, {}

    def layer(self, wavelength):
        """Return the layer nearest to a wavelength in pixels, (height, width) float32."""
        index = self._nearest(wavelength)
        if index not in self._layers:
            cell = self.WAVELENGTHS[index] / 2
            width, height = (int(side / cell) + 4 for side in self._size)
            coarse = np.random.default_rng(self._seeds[index]).standard_normal((height, width))
            full = (int(width * cell) + 1, int(height * cell) + 1)
            fine = cv2.resize(coarse.astype(np.float32), full, interpolation=cv2.INTER_CUBIC)
            fine = fine[: self._size[1], : self._size[0]]
            self._layers[index] = fine / np.maximum(fine.std(), np.float32(1e-3))
        return self._layers[index]

    def slopes(self, wavelength):
        """Return the layer's slopes to the right and down, per wavelength, (2, height, width)."""
        index = self._nearest(wavelength)
        if index not in self._slopes:
            pair = [cv2.Sobel(self.layer(wavelength), cv2.CV_32F, *way) for way in ((1, 0), (0, 1))]
            self._slopes[index] = np.stack(pair) * np.float32(self.WAVELENGTHS[index] / 48)
        return self._slopes[index]

    def _nearest(self, wavelength):
        return int(np.abs(np.log(np.array(self.WAVELENGTHS) / wavelength)).argmin())


class Scene:
    """The layout of a picture, and which surface every pixel sees; it depends on the arguments alone.

    Attributes:
        depth: Distance ahead in metres per pixel, (height, width), infinite in the sky.
        owner: Index into `rocks` per pixel, -1 on the ground, -2 in the sky, -3 on the `hardware`.
        hardware: The part of the rover in the picture, or None.
    """

    def __init__(self, rng, size, style='mixed'):
        self.size = size
        self.style = chosen = SceneStyle(rng, style)
        # half a tile texel per picture column is enough: the finest grain follows the pixels
        detail = int(np.clip(2 ** np.ceil(np.log2(max(size) / 2)), 128, 512))
        self.terrain = Terrain(rng, detail, chosen.relief, chosen.patches, chosen.grit)
        self.camera = Camera(self.terrain, size, chosen.focal, chosen.altitude, chosen.sky_share)
        self.noise = ScreenNoise(rng, size)
        self.depth = self.camera.depth.copy()
        self.owner = np.where(np.isinf(self.depth), -2, -1)
        field = RockField(rng, self)
        self.rocks, self.pebbles = field.rocks, field.pebbles
        self.track = self._track(rng) if chosen.tracks else None
        for index, rock in enumerate(self.rocks):
            self._draw(index, rock)
        self.hardware = Hardware(rng, self.noise, size) if chosen.hardware else None
        if self.hardware:
            self.owner[self.hardware.covered] = -3

    def ground_pixels(self, rng, number, far, patchy):
        """Sample pixels of the ground: rows and columns, fewer than `number` where the picture shows sky.

        Their density grows with the distance to the power of `far` (0 is even over the picture); `patchy` makes it uneven.
        """
        width, height = self.size
        tries = 4 * number + 8
        rows, columns = rng.integers(0, height, tries), rng.integers(0, width, tries)
        depth = self.camera.depth[rows, columns]
        ground = np.isfinite(depth)
        weight = np.where(ground, np.minimum(depth, 150), 0) ** far * ground
        if patchy:
            weight = weight * np.exp(1.1 * self.noise.layer(80 * width / 720)[rows, columns])
        # normalised by the picture's own mean, so that about a third is kept in every picture
        usual = weight[ground].mean() if ground.any() else 1
        kept = np.nonzero(rng.random(tries) * 3 * usual < weight)[0][:number]
        return rows[kept], columns[kept]

    def mask(self, min_rock=0):
        """Return the exact classes, (height, width) uint8: 0 ground, 1 sky, 2 small, 3 large.

        Rocks, or groups of rocks that touch in the picture, of less than `min_rock` pixels of a picture of 720x480 (it scales
        with the picture) are ground. 0 labels all rocks.
        """
        # the last three for owners -3, -2 and -1
        kinds = np.array([3 if rock.large else 2 for rock in self.rocks] + [0, 1, 0], np.uint8)
        classes = kinds[self.owner]
        classes[small_areas((self.owner >= 0).astype(np.uint8), min_rock)] = 0
        return classes

    def visible_rocks(self):
        """Yield every rock that can be seen, with the rows and columns of its pixels."""
        rows, columns = np.nonzero(self.owner >= 0)
        owners = self.owner[rows, columns]
        order = np.argsort(owners, kind='stable')
        indices, starts = np.unique(owners[order], return_index=True)
        # not strict: without any rock, split still returns one empty part
        for index, pixels in zip(indices, np.split(order, starts[1:]), strict=False):
            yield self.rocks[index], (rows[pixels], columns[pixels])

    def _track(self, rng):
        rows, columns = self.ground_pixels(rng, 1, 0, patchy=False)
        return RoverTrack(rng, float(self.depth[rows[0], columns[0]])) if rows.size else None

    def _draw(self, index, rock):
        rows, columns = self.camera.window(*rock.bounds())
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        up, across = self.camera.up[rows], self.camera.across[columns]
        # a ragged outline: planes alone would give straight edges
        ragged = self.noise.layer(0.5 * rock.pixels)[rows, columns] * np.float32(0.6)
        ragged = ragged + self.noise.layer(0.15 * rock.pixels)[rows, columns] * np.float32(0.4)
        met = rock.meet(across, up, self.camera.altitude, ragged * np.float32(rock.ragged * rock.radius))
        nearer = met < self.depth[rows, columns]
        self.depth[rows, columns][nearer] = met[nearer]
        self.owner[rows, columns][nearer] = index


class MoonRenderer:
    """Renders numbered pictures of one synthetic lunar set; each depends on these arguments and its number alone.

    The shading is half Lambert, half Lommel-Seeliger, the usual first approximation for a dark, dusty surface without an
    atmosphere (H. von Seeliger, 1887), which keeps distant ground bright.

    Args:
        seed: Seed of the set.
        size: Width and height in pixels.
        style: What the pictures imitate, one of `SceneStyle.STYLES`.
        min_rock: Least area of a labelled rock, see `Scene.mask`.
    """

    VERSION = 4
    MIN_ROCK = 200  # 95 % of the areas in the public masks exceed 240 pixels of 720x480 (renders) or 120 (photographs)

    def __init__(self, seed, size, style='mixed', min_rock=MIN_ROCK):
        self.seed, self.size, self.style, self.min_rock = seed, size, style, min_rock

    def render(self, number):
        """Render a picture, numbered from 1: (height, width, 3) uint8 BGR, and its classes (height, width) uint8, see `Scene.mask`."""
        rng = np.random.default_rng([self.seed, number])
        scene = Scene(rng, self.size, self.style)
        light = self._light(scene, rng)
        return Exposure(rng, scene.style.photo).develop(light, scene.owner == -1), scene.mask(self.min_rock)

    def _light(self, scene, rng):
        sky = np.isinf(scene.depth)
        x, y, z = scene.camera.positions(np.where(sky, 50, scene.depth).astype(np.float32))
        normal, albedo = self._surface(scene, x, y, z)
        sun = scene.style.sun.astype(np.float32)
        spread = scene.size[0] / 2 / scene.camera.focal
        side = int(np.clip(scene.size[0], 96, 512))
        open_sky = TerrainShadow(scene.terrain, scene.style.sun, spread, side).light(x, y, z)
        self._cast(scene, x, y, z, open_sky, np.tensordot(sun, normal, 1))
        scene.pebbles.lay(normal, albedo, open_sky)
        toward_sun = np.tensordot(sun, normal, 1)
        view = np.stack([-x, -y, np.float32(scene.camera.altitude) - z])
        view /= np.linalg.norm(view, axis=0)
        toward_lens = np.maximum((view * normal).sum(0), 0.02)
        lit = np.maximum(toward_sun, 0) * open_sky
        dusty = 1.2 * lit / (lit + toward_lens)
        # light from the ground around: little, as shadows on the Moon are black
        ambient = scene.style.ambient * (0.6 + 0.4 * normal[2])
        # specks of brighter and darker dust, visible in front light too
        specks = cv2.GaussianBlur(rng.standard_normal(x.shape).astype(np.float32), (0, 0), 0.8)
        specks *= np.where(scene.owner == -1, np.float32(scene.style.grit), 1)
        albedo *= 1 + np.float32(rng.uniform(0.15, 0.42)) * specks
        light = np.where(sky, 0, albedo * (0.5 * lit + 0.5 * dusty * (lit > 0) + ambient))
        if scene.hardware:
            usual = np.median(light[light > 0.02]) if (light > 0.02).any() else 0.3
            light = np.where(scene.hardware.covered, usual * scene.hardware.light, light)
        return light

    def _surface(self, scene, x, y, z):
        footprint = y / np.float32(scene.camera.focal)
        # the ground is seen at a slant: its pixels are longer than they are wide
        slant = np.abs(scene.camera.up)[:, None] + np.float32(0.08)
        gx, gy = scene.terrain.gradients(x, y, footprint / np.sqrt(slant))
        albedo = np.ones_like(x)
        if scene.track:
            scene.track.press(x, y, footprint, gy, albedo)
        normal = np.stack([-gx, -gy, np.ones_like(gx)])
        normal /= np.linalg.norm(normal, axis=0)
        stony = scene.owner >= 0
        # projected from the front: projected from above, it would smear down the sides
        where = x[stony], z[stony] + np.float32(0.4) * y[stony]
        rough = np.zeros((2, *x.shape), np.float32)
        for pixels in (1.5, 6):
            rough[:, stony] += scene.terrain.grain(*where, pixels * footprint[stony])
        for rock, seen in scene.visible_rocks():
            facing = rock.facing(x[seen], y[seen], z[seen])
            along, up = (slopes[seen] for slopes in rough)
            facing += np.float32(rock.texture) * np.stack([along, -along, up])
            for part in (0.7, 0.2):
                right, down = (slopes[seen] for slopes in scene.noise.slopes(part * rock.pixels))
                facing += np.float32(0.2 * rock.texture) * np.stack([-right, 0 * right, down])
            normal[(slice(None), *seen)] = facing / np.linalg.norm(facing, axis=0)
            albedo[seen] = rock.albedo
            if rock.blotched:
                for part in (0.4, 0.1):
                    blotch = rock.blotched * scene.noise.layer(part * rock.pixels)[seen]
                    albedo[seen] *= np.maximum(1 + blotch, np.float32(0.3))
            if rock.cracked and rock.pixels > 25:
                # a few wide cracks, wider in a boulder, and finer ones between them
                for part, wide in ((0.5, max(2, 0.03 * rock.pixels)), (0.22, 2)):
                    line = np.abs(scene.noise.layer(part * rock.pixels)[seen])
                    line *= np.float32(part * rock.pixels / wide)
                    albedo[seen] *= np.clip(np.float32(0.25) + line, 0, 1)
        return normal, albedo

    def _cast(self, scene, x, y, z, lit, toward_sun):
        sun = scene.style.sun
        level = np.hypot(sun[0], sun[1])
        for index, rock in enumerate(scene.rocks):
            # ground that falls away from the sun lengthens a shadow: allow for twice its length
            length = 2 * (rock.half_height + rock.reach) * level / sun[2]
            tail = -length * np.array([sun[0], sun[1], 0]) / level
            tail[2] = -0.35 * length
            rows, columns = scene.camera.window(*rock.bounds(tail))
            part = lit[rows, columns]
            lit_before = (part > 0) & (toward_sun[rows, columns] > 0) & (scene.owner[rows, columns] != index)
            if lit_before.any():
                shaded = rock.shades(*(c[rows, columns][lit_before] for c in (x, y, z)), sun)
                part[lit_before] = np.where(shaded, 0, part[lit_before])
