"""Draws the objects that stand along a street: houses, walls, fences, posts and trees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mapt.synthetic.rendering.canvas import Canvas, Points
from mapt.synthetic.rendering.conditions import Conditions
from mapt.synthetic.scene.street import Block, Post, Tree
from mapt.synthetic.scene.vehicle_style import scale

POLE = 5
LAMP = 6
SIGN = 7
VEGETATION = 8


def draw_block(
    canvas: Canvas,
    conditions: Conditions,
    block: Block,
    s0: float,
    place: Callable[[float, float], Points],
) -> None:
    """Draw the part of a block that is ahead of the camera.

    Args:
        canvas: receives the block.
        conditions: the scene's light.
        block: a facade, wall, fence or hedge.
        s0: the camera's position along the road, metres.
        place: converts a position (s, d) on the ground to a world point (3,).
    """
    gain = conditions.gain * (1.0 if block.d * conditions.light.direction[0] < 0 else 0.78)
    s1 = max(block.s1, s0 + 1.0)
    texture = block.texture
    if s1 > block.s1:  # remove the part behind the camera from the texture too
        texture = [
            t[:, int(t.shape[1] * (s1 - block.s1) / (block.s2 - block.s1)) :] for t in texture
        ]
        texture = [t for t in texture if t.shape[1] > 1] or [block.texture[-1]]
    near = place(s1, block.d)
    far = place(block.s2, block.d)
    up = np.array([0.0, block.height, 0.0])
    if block.depth and s1 == block.s1:
        out = np.array([np.sign(block.d) * block.depth, 0.0, 0.0])
        end = np.stack((near, near + out, near + out + up, near + up))
        mean = tuple(
            float(c) * conditions.gain * 0.8 for c in block.texture[-1].reshape(-1, 3).mean(0)
        )
        canvas.polygon(end, mean, block.label)  # type: ignore[arg-type]
    canvas.facade(texture, np.stack((near + up, far + up, far, near)), block.label, gain)


def draw_post(canvas: Canvas, conditions: Conditions, post: Post, foot: Points) -> None:
    """Draw a lamp post, traffic light or sign that stands at `foot` (3,)."""
    gain = conditions.gain
    top = np.array([0.0, post.height, 0.0])
    grey = scale(post.colour if post.kind != "sign" else (120.0, 122.0, 125.0), gain)
    canvas.limb(foot, foot + top, 0.15 if post.kind != "sign" else 0.07, grey, POLE)
    if post.kind == "lamp":
        arm = np.array([-np.sign(foot[0]) * 1.2, 0.0, 0.0])
        canvas.limb(foot + top, foot + top + arm, 0.1, grey, POLE)
        canvas.limb(
            foot + top + arm * 0.7,
            foot + top + arm * 1.4,
            0.16,
            scale((170.0, 170.0, 165.0), gain),
            POLE,
        )
    elif post.kind == "light":
        low = foot + top * 0.68
        high = foot + top
        canvas.limb(low, high, 0.32, scale((25.0, 27.0, 25.0), gain), LAMP)
        lamps = ((255.0, 40.0, 30.0), (255.0, 190.0, 40.0), (50.0, 230.0, 120.0))
        for i, colour in enumerate(lamps):
            lit = colour if i == post.shape else scale(colour, 0.22)
            canvas.disc(high - (high - low) * (0.2 + 0.3 * i), (0.1, 0.1), lit, LAMP)
    else:
        angle = (
            np.linspace(0, 2 * np.pi, (12, 4, 3)[post.shape], endpoint=False)
            + (0.0, np.pi / 4, np.pi / 6)[post.shape]
        )
        for size, colour in (
            (0.36, post.colour),
            (0.26, (235.0, 235.0, 232.0) if post.shape != 1 else post.colour),
        ):
            ring = foot + top + np.stack((np.cos(angle) * size, np.sin(angle) * size, angle * 0), 1)
            canvas.polygon(ring, scale(colour, gain), SIGN)


def draw_tree(canvas: Canvas, conditions: Conditions, tree: Tree, foot: Points) -> None:
    """Draw a tree that stands at `foot` (3,), and its shadow."""
    gain = conditions.gain
    bare = tree.height * tree.trunk
    canvas.shade(
        foot
        + np.array([[-1, 0, -0.6], [1, 0, -0.6], [1, 0, 0.6], [-1, 0, 0.6]]) * tree.width * 0.4,
        0.75,
    )
    top = foot + np.array([0, bare * 1.5, 0])
    canvas.limb(foot, top, 0.036 * tree.height, scale((70.0, 58.0, 46.0), gain), VEGETATION)
    canvas.billboard(
        tree.crown,
        foot + np.array([0, bare, 0]),
        (tree.width, tree.height - bare),
        VEGETATION,
        gain,
    )
