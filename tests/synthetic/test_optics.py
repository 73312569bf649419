import numpy as np
import pytest

from mapt.synthetic.rendering.canvas import Camera
from mapt.synthetic.varied.optics.lighting import Sunlight, illuminate
from mapt.synthetic.varied.optics.photography import random_photography
from mapt.synthetic.varied.optics.raster import GROUND_FACE, Raster
from mapt.synthetic.varied.optics.shadow_map import ShadowMap
from mapt.synthetic.varied.optics.surfaces import MATT

SUN = np.array([0.6, 0.6, 0.5292])  # from the right and ahead, 37 degrees high
BOX = np.array([(-1.0, 20.0), (1.0, 20.0), (1.0, 22.0), (-1.0, 22.0)])  # (d, s) of a box


def lit(shadows: ShadowMap, s: float, d: float, y: float) -> float:
    along, across, height = (np.full((1, 1), value, np.float32) for value in (s, d, y))
    return float(shadows.lit(along, across, height, SUN)[0, 0])


@pytest.fixture
def shadows() -> ShadowMap:
    """The shadow of a box 3 metres high."""
    shadows = ShadowMap(60.0, SUN)
    shadows.prism(BOX, 0.0, 3.0)
    return shadows


def test_a_shadow_falls_away_from_the_sun(shadows: ShadowMap) -> None:
    assert lit(shadows, 19.5, -2.0, 0.0) < 0.2
    assert lit(shadows, 22.5, 2.0, 0.0) > 0.8


def test_a_box_shades_what_is_lower_behind_it_alone(shadows: ShadowMap) -> None:
    assert lit(shadows, 19.5, -2.0, 0.5) < 0.2
    assert lit(shadows, 19.5, -2.0, 2.9) > 0.8


def test_a_box_does_not_shade_its_sides_towards_the_sun(shadows: ShadowMap) -> None:
    for y in (0.2, 1.0, 2.0, 2.9):
        assert lit(shadows, 21.0, 1.02, y) > 0.8
        assert lit(shadows, 22.02, 0.0, y) > 0.8


def test_a_copy_of_a_map_leaves_the_map_alone(shadows: ShadowMap) -> None:
    twin = shadows.copy()
    twin.prism(BOX + [0.0, 20.0], 0.0, 3.0)
    assert lit(twin, 39.5, -2.0, 0.0) < 0.2
    assert lit(shadows, 39.5, -2.0, 0.0) > 0.8


def scene() -> tuple[Raster, Sunlight]:
    """White ground below an empty sky, and a white wall that faces away from the sun."""
    raster = Raster(Camera(64, 48, 40.0, 20.0, 1.5))
    raster.albedo[:] = 255
    raster.face[21:] = GROUND_FACE
    wall = np.array([(-1.0, 3.0, 10.0), (1.0, 3.0, 10.0), (1.0, 0.0, 10.0), (-1.0, 0.0, 10.0)])
    raster.polygon(wall, (255.0, 255.0, 255.0), 2, MATT)
    white = np.ones(3, np.float32)
    dome = np.ones((2, 3), np.float32)
    return raster, Sunlight(SUN, white, 0.2 * white, 0 * white, 1e6, dome)


def test_light_follows_the_sun_and_the_shadows() -> None:
    raster, light = scene()
    middle = np.zeros(1000, np.float32)
    around = np.zeros(360, np.float32)
    open_map = ShadowMap(60.0, SUN)
    sunny = illuminate(raster, light, open_map, (0.0, middle), around)
    ground = sunny[45, 32, 1]
    assert ground == pytest.approx(SUN[1] + 0.2, abs=0.02)
    assert sunny[19, 32, 1] < 0.4 * ground, "the wall's front faces away from the sun"
    open_map.prism(np.array([(-40.0, 15.0), (40.0, 15.0), (40.0, 16.0), (-40.0, 16.0)]), 0.0, 30.0)
    shaded = illuminate(raster, light, open_map, (0.0, middle), around)
    assert shaded[45, 32, 1] == pytest.approx(0.2, abs=0.02)


def test_labels_of_surfaces_and_ground() -> None:
    raster, _ = scene()
    raster.ground[:] = 9
    labels = raster.labels()
    assert labels[5, 5] == 10 and labels[45, 5] == 9 and labels[19, 32] == 2


def test_a_photograph_keeps_the_order_of_grey_levels() -> None:
    ramp = np.geomspace(0.01, 3, 64, dtype=np.float32)
    radiance = np.broadcast_to(ramp[None, :, None], (48, 64, 3)).copy()
    for seed in range(6):
        camera = random_photography(np.random.default_rng(seed))
        image = camera.expose(radiance, np.ones((48, 64), bool), 1.0, 64 / 1248, seed)
        columns = image.mean((0, 2))
        assert columns[-8:].mean() > columns[:8].mean() + 60
        assert image.dtype == np.uint8
