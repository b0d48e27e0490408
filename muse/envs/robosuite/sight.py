"""What a camera of MuJoCo cannot see, so that it need not be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

#: How far beyond the edge of the picture things count as seen, in parts of half the picture.
_MARGIN = 0.05
#: Meshes of more triangles are looked after [triangles], and boxes whose second longest half edge is longer hide what is behind [m].
_COSTLY, _WALL = 100, 0.1
#: Farther away than all there is [m].
_FAR = 1e4
#: How much of a box is taken to hide what lies behind it.
_WITHIN = 0.99
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)


class Sight:
    """Takes out of a scene what cannot be in the picture; the picture stays the same to the bit.

    MuJoCo sends every triangle of a scene through the graphics, in or out of sight, and once more for the reflection in the first
    shape that reflects: in robosuite's tasks the floor. Here a shape stays where the box around it, or that box as the mirror shows
    it, reaches into what the camera looks at. Where the mirror is out of sight, or behind a box that fills the picture (a table),
    there is no reflection to draw.

    Args:
        model: A `mujoco.MjModel`.
    """

    def __init__(self, model: Any) -> None:
        import mujoco

        shapes = mujoco.mjtGeom
        self._model = model
        self._geom, self._none = int(mujoco.mjtObj.mjOBJ_GEOM), int(shapes.mjGEOM_NONE)
        self._reflection, self._shadow = int(mujoco.mjtRndFlag.mjRND_REFLECTION), int(mujoco.mjtRndFlag.mjRND_SHADOW)
        self._is_box = model.geom_type == shapes.mjGEOM_BOX
        # Through a texture with transparent parts one sees what lies behind.
        clear = bool((model.tex_nchannel == 4).any())
        self._is_wall = self._is_box & (np.sort(model.geom_size, axis=1)[:, 1] > _WALL) & (not clear)
        meshes = np.where(model.geom_type == shapes.mjGEOM_MESH, model.geom_dataid, -1)
        self._is_costly = (meshes >= 0) & (model.mesh_facenum[meshes] > _COSTLY)
        # Of the box around each shape, in the shape's frame, `(G, 8, 3)`.
        self._corners = model.geom_aabb[:, None, :3] + _CORNERS * model.geom_aabb[:, None, 3:]

    def reduce(self, scene: Any, data: Any, aspect: float) -> None:
        """Takes out what cannot be seen.

        Args:
            scene: A `mujoco.MjvScene` as `mjv_updateScene` filled it from `data`. Its flag for reflections may be taken away.
            data: The `mujoco.MjData`.
            aspect: Width of the picture over its height.
        """
        view, model = scene.camera[0], self._model
        # Shadows fall into the picture from outside. No light of robosuite's casts any.
        if view.orthographic or (scene.flags[self._shadow] and (model.light_castshadow & model.light_active).any()):
            return
        shapes = [shape for shape in scene.geoms[: scene.ngeom] if shape.objtype == self._geom]
        ids = np.array([shape.objid for shape in shapes], np.intp)
        costly = np.flatnonzero(self._is_costly[ids])
        corners = self._place(data, ids[costly])
        walls = ids[self._is_wall[ids] & [shape.rgba[3] == 1 for shape in shapes]]
        eye = _Eye(view, aspect)
        is_needed = eye.sees(corners, self._boxes(data, walls))
        mirror = next((shape for shape in shapes if shape.reflectance > 0), None)
        if mirror is not None and scene.flags[self._reflection]:
            normal, half = mirror.mat[:, 2].astype(np.float64), np.append(mirror.size[:2], 0)
            face = _CORNERS[1::2] * half @ mirror.mat.T + mirror.pos
            if self._is_box[mirror.objid]:
                face += mirror.size[2] * normal
            is_before = ((self._place(data, walls) - face[0]) @ normal > -1e-6).all(axis=1) & (walls != mirror.objid)
            boxes = self._boxes(data, walls[is_before])
            # A plane without a size has no end.
            if eye.sees(eye.reach[None], boxes)[0] and not (half[:2].all() and not eye.sees(face[None], boxes)[0]):
                is_needed |= eye.sees(corners - 2 * ((corners - face[0]) @ normal)[..., None] * normal, boxes)
            else:
                scene.flags[self._reflection] = 0
        for row in costly[~is_needed]:
            shapes[row].type = self._none

    def _place(self, data: Any, ids: np.ndarray) -> np.ndarray:
        """Returns the corners around shapes in the world, `(N, 8, 3)`."""
        rotations = data.geom_xmat[ids].reshape(-1, 3, 3)
        return self._corners[ids] @ rotations.transpose(0, 2, 1) + data.geom_xpos[ids, None]

    def _boxes(self, data: Any, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return data.geom_xpos[ids], data.geom_xmat[ids].reshape(-1, 3, 3), self._model.geom_size[ids]


class _Eye:
    """Where a camera is and what it looks at."""

    def __init__(self, view: Any, aspect: float) -> None:
        self._position, forward, up = (np.asarray(v, np.float64) for v in (view.pos, view.forward, view.up))
        right, near = np.cross(forward, up), float(view.frustum_near)
        half_width = view.frustum_width or aspect * (view.frustum_top - view.frustum_bottom) / 2
        middle = np.array([view.frustum_center, (view.frustum_top + view.frustum_bottom) / 2]) / near
        reach = (1 + _MARGIN) * np.array([half_width, (view.frustum_top - view.frustum_bottom) / 2]) / near
        # What is seen is inside of all of these planes through the eye, `(5, 3)`; the rays are its edges, `(4, 3)`.
        sides = np.array([[1, 0], [0, 1]])
        inward = [
            (sign * (side @ [right, up] - (side @ middle) * forward) + (side @ reach) * forward)
            for side in sides
            for sign in (1, -1)
        ]
        self._inward = np.stack([*inward, forward])
        rays = [forward + (middle[0] + x * reach[0]) * right + (middle[1] + y * reach[1]) * up for x in (-1, 1) for y in (-1, 1)]
        #: Points far away on the edges of what is seen, `(4, 3)`.
        self.reach = self._position + _FAR * np.stack(rays)
        self._near = near * max(float(np.linalg.norm(ray)) for ray in rays)

    def sees(self, corners: np.ndarray, boxes: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        """Returns which of the hulls of `corners` `(N, K, 3)` may be in the picture, `(N,)`.

        Not those that are wholly beyond one of its sides, and not those that lie behind one of the boxes: what is met on the way
        to every corner is met on the way to all that lies between them.

        Args:
            corners: Points of each hull.
            boxes: Of each opaque box the centre `(M, 3)`, the rotation from its frame to the world's `(M, 3, 3)`, and half its
                edges `(M, 3)`.
        """
        ways = corners - self._position
        seen = ~(ways @ self._inward.T < 0).all(axis=1).any(axis=1)
        centers, rotations, halves = boxes
        eye = ((self._position - centers)[:, None] @ rotations)[:, 0]
        # What is nearer than the near plane is cut off.
        is_whole = np.linalg.norm(np.maximum(np.abs(eye) - halves, 0), axis=1) > self._near
        turned = ways[seen].reshape(-1, 3) @ rotations
        with np.errstate(divide="ignore", invalid="ignore"):
            # A little within the faces, where rounding does not count.
            first, last = ((sign * _WITHIN * halves - eye)[:, None] / turned for sign in (-1, 1))
        enter, leave = np.minimum(first, last).max(axis=-1), np.maximum(first, last).min(axis=-1)
        is_met = ((enter > 0) & (enter < leave) & (enter < 1)).reshape(len(centers), -1, corners.shape[1]).all(axis=-1)
        seen[seen] = ~(is_met & is_whole[:, None]).any(axis=0)
        return seen
