"""Places and draws what stands along a street: buildings, walls, plants, posts and furniture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mapt.synthetic.rendering.canvas import Colour, Points
from mapt.synthetic.varied.optics.pictures import Rgba, darken, picture, sprite
from mapt.synthetic.varied.optics.raster import Raster
from mapt.synthetic.varied.optics.shadow_map import ShadowMap
from mapt.synthetic.varied.optics.surfaces import LEAVES, MATT, Finish

VEGETATION = 8
BUILDING = 2
PIECE = 6.0  # metres of a bridge that are drawn at once
Place = Callable[[float, float], Points]


@dataclass(frozen=True)
class Front:
    """A textured upright surface along the road, with what stands behind it.

    Attributes:
        s1: its start, metres.
        s2: its end, metres.
        d: metres to the right of the road's middle.
        height: metres.
        texture: the picture and its halved copies.
        label: train id.
        depth: extent away from the road, metres.
        base: height of its lower edge, metres.
        roof: picture of a pitched roof and its halved copies; empty for a flat one.
        gloss: of its windows.
        ends: picture of its ends and its halved copies; empty for that of its front.
    """

    s1: float
    s2: float
    d: float
    height: float
    texture: list[NDArray[np.uint8]]
    label: int
    depth: float = 0.3
    base: float = 0.0
    roof: list[NDArray[np.uint8]] = field(default_factory=list)
    gloss: float = 0.0
    ends: list[NDArray[np.uint8]] = field(default_factory=list)

    @property
    def _finish(self) -> Finish:
        return LEAVES if self.label == VEGETATION else Finish(gloss=self.gloss)

    @property
    def side(self) -> list[NDArray[np.uint8]]:
        """The picture of its end."""
        return self.ends or self.texture

    def draw(self, raster: Raster, place: Place, s0: float) -> None:
        """Draw the part ahead of the camera at s0, in metres."""
        s1 = max(self.s1, s0 + 0.8)
        if s1 > self.s2 - 0.1:
            return
        near = place(s1, self.d)
        far = place(self.s2, self.d)
        out = np.array([np.sign(self.d) * self.depth, 0.0, 0.0])
        whole = s1 == self.s1
        if self.depth > 0.1 and whole:
            self._draw_end(raster, near, out)
        if self.roof:
            self._draw_roof(raster, near, far, out, whole)
        low = np.array([0.0, self.base, 0.0])
        up = np.array([0.0, self.height, 0.0])
        # Pictures are drawn as one sees them, so those on the right begin at their far end.
        left, right = (near, far) if self.d < 0 else (far, near)
        corners = np.stack((left + up, right + up, right + low, left + low))
        texture = self._ahead((s1 - self.s1) / (self.s2 - self.s1))
        picture(raster, texture, corners, self.label, self._finish)

    def _ahead(self, share: float) -> list[NDArray[np.uint8]]:
        """Return the picture without a share of its near end."""
        cut = []
        for level in self.texture:
            gone = int(level.shape[1] * share)
            part = level[:, gone:] if self.d < 0 else level[:, : level.shape[1] - gone]
            if part.shape[1] > 1:
                cut.append(part)
        return cut or [self.texture[-1]]

    def _draw_end(self, raster: Raster, near: Points, out: Points) -> None:
        low = np.array([0.0, self.base, 0.0])
        up = np.array([0.0, self.height, 0.0])
        end = np.stack((near + up, near + out + up, near + out + low, near + low))
        if self.depth > 3 and near[2] > 1:
            part = [t[:, : max(2, int(t.shape[1] * 0.8))] for t in self.side]
            picture(raster, part, end, self.label)
        else:
            mean = self.texture[-1].reshape(-1, self.texture[-1].shape[2]).mean(0)
            colour = (float(mean[0]), float(mean[1]), float(mean[2]))
            raster.polygon(end, colour, self.label)

    def _draw_roof(
        self, raster: Raster, near: Points, far: Points, out: Points, whole: bool
    ) -> None:
        up = np.array([0.0, self.height, 0.0])
        ridge = up + [0, min(4.0, self.depth * 0.45), 0] + out * 0.5
        corners = np.stack((near + ridge, far + ridge, far + up, near + up))
        picture(raster, self.roof, corners, self.label)
        if whole:
            gable = np.stack((near + up, near + ridge, near + out + up))
            raster.polygon(gable, (110.0, 95.0, 85.0), self.label)

    def cast(self, shadows: ShadowMap) -> None:
        """Cast its shadow."""
        out = self.d + np.sign(self.d) * self.depth
        outline = np.array([(self.d, self.s1), (self.d, self.s2), (out, self.s2), (out, self.s1)])
        top = self.height + (min(4.0, self.depth * 0.45) * 0.6 if self.roof else 0.0)
        shadows.prism(outline, self.base, top)


@dataclass(frozen=True)
class Plant:
    """A tree or bush at (s, d).

    Attributes:
        s: metres along the road.
        d: metres to the right of its middle.
        height: metres.
        width: of its picture, metres.
        picture: a tree or bush.
        shade: the picture of its crown's shadow.
        bare: height of the trunk below the crown, metres.
        trunk: width of the trunk, metres; 0 for a bush.
    """

    s: float
    d: float
    height: float
    width: float
    picture: list[Rgba]
    shade: NDArray[np.uint8]
    bare: float
    trunk: float

    def draw(self, raster: Raster, foot: Points) -> None:
        """Draw it at a world point."""
        pixels = self.height * raster.camera.focal / max(float(foot[2]), 1.0)
        level = int(
            np.clip(np.log2(self.picture[0].shape[0] / max(pixels, 1.0)), 0, len(self.picture) - 1)
        )
        if not self.trunk:
            flat = np.array([(-0.5, 0, -0.5), (0.5, 0, -0.5), (0.5, 0, 0.3), (-0.5, 0, 0.3)])
            darken(raster, foot + flat * self.width * 0.9, 0.55)
        sprite(raster, self.picture[level], foot, (self.width, self.height), VEGETATION)

    def cast(self, shadows: ShadowMap) -> None:
        """Cast its shadow."""
        if self.trunk:
            w = self.trunk / 2
            outline = np.array([(-w, -w), (w, -w), (w, w), (-w, w)]) + [self.d, self.s]
            shadows.prism(outline, 0.0, self.bare + 1.0)
        for share in (0.25, 0.55, 0.8):
            y = self.bare + (self.height - self.bare) * share
            size = self.width * (0.95 if share < 0.7 else 0.65)
            shadows.patch(np.rot90(self.shade, int(share * 10)), (self.d, self.s), size, y)


@dataclass(frozen=True)
class Slab:
    """A bridge or gantry across the road.

    Attributes:
        s: metres along the road.
        depth: extent along the road, metres.
        low: height of its lower edge, metres.
        high: height of its upper edge, metres.
        colour: RGB.
        label: train id.
        tilt: height gained over 40 metres across, metres.
    """

    s: float
    depth: float
    low: float
    high: float
    colour: Colour
    label: int
    tilt: float

    @staticmethod
    def pieces() -> NDArray[np.float64]:
        """Return the d of the middles of its pieces."""
        return np.arange(-45.0, 46.0, PIECE)

    def draw(self, raster: Raster, place: Place, d: float) -> None:
        """Draw the lower side, the front and the railing of the piece around d."""
        a = d - PIECE / 2
        b = d + PIECE / 2 + 0.05
        near = self.s
        far = self.s + self.depth
        spots = ((a, near, 0), (b, near, 0), (b, far, 0), (a, far, 0), (a, near, 1), (b, near, 1))
        c = np.stack(
            [
                place(s, dd) + [0, (self.high if top else self.low) + self.tilt * dd / 40, 0]
                for dd, s, top in spots
            ]
        )
        dark = (self.colour[0] * 0.6, self.colour[1] * 0.6, self.colour[2] * 0.6)
        raster.polygon(c[:4], dark, self.label, MATT, np.array([0.0, -1.0, 0.0]))
        raster.polygon(c[[0, 1, 5, 4]], self.colour, self.label, MATT, np.array([0.0, 0.0, -1.0]))
        if self.depth > 3:
            for share in (0.5, 1.0):
                rise = np.array([0.0, share, 0.0])
                raster.limb(c[4] + rise, c[5] + rise, 0.07, dark, self.label)

    def cast(self, shadows: ShadowMap) -> None:
        """Cast its shadow."""
        outline = np.array(
            [
                (-48.0, self.s),
                (48.0, self.s),
                (48.0, self.s + self.depth),
                (-48.0, self.s + self.depth),
            ]
        )
        shadows.prism(outline, self.low, self.high)
