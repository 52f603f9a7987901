"""The renderer of `mannequins`: a stand-in for DeepFashion in which the true appearance of every part is known.

Geometry is the pose, the build and the cut of the garments. Only the skin is shared, by face, arms and legs: the class
correlation of which SMIS speaks. Repainting one of them alone gives it a skin of its own; all three with one seed still
share one.
"""

import numpy as np

from .appearance import (
    ARMS,
    BACKGROUND,
    CLASSES,
    FACE,
    FACTOR_NAMES,
    HAIR,
    LEGS,
    LOWER,
    SHOES,
    UPPER,
    between,
    draw,
    pick,
)
from .canvas import PATTERNS, Canvas, Shape, pattern, smooth
from .renderer import Looks, Renderer

__all__ = ["CLASSES", "FACTOR_NAMES", "RENDERER", "factors", "render"]

STRETCH = 1.25  # of the picture, sideways: sturdy figures, whose limbs are more than a pixel wide at 64x64
COVERED = 0.12  # how far (share of a bone) a limb goes on under its garment; more would shine through the seam's edges


def _paint(rng: np.random.Generator, looks: Looks, canvas: Canvas) -> None:
    _Figure(rng, looks.factors, canvas).draw()


def _towards(length: float, angle: float, side: int) -> np.ndarray:
    """A step of `length` that hangs down at angle 0 and swings outwards (away from the body's middle) with it."""
    return length * np.array([side * np.sin(angle), np.cos(angle)])


class _Figure:
    """One mannequin. All random numbers of its geometry are drawn in `__init__`, in a fixed order."""

    def __init__(self, rng: np.random.Generator, factors: np.ndarray, canvas: Canvas):
        self.factors, self.canvas = factors, canvas

        def u(low: float, high: float) -> float:
            return between(rng, low, high)

        F = self.F = u(0.86, 0.915)  # height, crown to sole
        self.floor = 0.965
        build = self.build = u(0.88, 1.12)
        self.shoulder, self.waist, self.hip = (w * F * build for w in (u(0.132, 0.156), u(0.094, 0.116), u(0.118, 0.138)))
        sway = u(-0.03, 0.03) * F  # the weight on one leg: the hips go to one side, the shoulders to the other
        self.pelvis = np.array([0.5 + u(-0.012, 0.012) + sway, self.at(0.52)])
        self.chest = np.array([0.5 - 0.5 * sway + u(-0.008, 0.008), self.at(0.262)])
        slant = -0.5 * sway + u(-0.006, 0.006)
        self.tilt, self.yaw = u(-0.16, 0.16), u(-0.16, 0.16)
        self.head = np.array([self.chest[0] + 0.1 * F * np.sin(self.tilt) + u(-0.006, 0.006), self.at(0.118)])
        self.rx, self.ry = 0.079 * F, 0.103 * F
        self.legs = []
        for side in (-1, 1):
            hip = self.pelvis + np.array([side * 0.5 * self.hip, 0.03 * F])
            foot = np.array([0.5 + side * u(0.055, 0.15) * F - 0.3 * sway, self.at(0.945) - u(0.0, 0.018) * F])
            knee = (hip + foot) / 2 + [side * u(-0.004, 0.022) * F, u(-0.01, 0.012) * F]
            self.legs.append(np.array([hip, knee, foot]))
        self.arms = []
        for side in (-1, 1):
            shoulder = self.chest + np.array([side * (self.shoulder - 0.030 * F), 0.040 * F + side * slant])
            # hanging, hand on the hip, stretched out, across the body
            upper, lower = [
                (u(0.12, 0.4), u(-0.1, 0.3)),
                (u(0.65, 0.9), u(-0.95, -0.6)),
                (u(0.4, 0.8), u(0.8, 1.7)),
                (u(0.15, 0.4), u(-1.35, -0.8)),
            ][pick(rng, 0.48, 0.2, 0.2, 0.12)]
            elbow = shoulder + _towards(0.15 * F, upper, side)
            self.arms.append(np.array([shoulder, elbow, elbow + _towards(0.155 * F, lower, side)]))
        # the upper garment
        self.sleeve = [-1.0, u(0.35, 0.55), u(0.65, 1.0), u(1.1, 1.4), u(1.62, 1.74)][pick(rng, 0.2, 0.15, 0.25, 0.15, 0.25)]
        self.neckline = [0.0, u(0.035, 0.06), u(0.06, 0.1)][pick(rng, 0.2, 0.45, 0.35)]
        self.v_neck = rng.random() < 0.45
        self.ease = u(1.02, 1.18)
        self.hem = u(0.40, 0.44) if rng.random() < 0.25 else u(0.48, 0.6)
        self.waistband = min(u(0.40, 0.43), self.hem - 0.015)
        self.tucked = rng.random() < 0.45
        if self.tucked:
            self.hem = self.waistband + 0.025
        # the lower one: shorts, cropped trousers, trousers, skirt, long skirt
        cut = pick(rng, 0.2, 0.14, 0.26, 0.27, 0.13)
        self.leg_hem = [u(0.5, 0.85), u(1.15, 1.5), u(1.76, 1.84), 0, 0][cut]
        self.skirt_hem = [0, 0, 0, u(0.65, 0.745), u(0.78, 0.86)][cut]
        self.flare, self.wide = u(0.95, 1.55), u(0.95, 1.4)
        self.boot = [u(1.35, 1.7), 1.74, 3, u(1.35, 1.7), 3][cut] if rng.random() < 0.45 else 3
        self.period = {label: u(0.09, 0.13) for label in (UPPER, LOWER)}
        # hair
        self.style = ("short", "bob", "long", "bun", "afro", "tail")[pick(rng, 0.22, 0.2, 0.26, 0.11, 0.11, 0.1)]
        self.part, self.fringe, self.volume, self.length = u(-0.6, 0.6), u(-0.75, -0.4), u(0, 1), u(0, 1)

    def at(self, share: float) -> float:
        """The height in the frame of a share of the figure: 0 is the crown, 1 the sole."""
        return self.floor - self.F * (1 - share)

    def main(self, label: int) -> np.ndarray:
        return self.factors[label, :3]

    def second(self, label: int) -> np.ndarray:
        return self.factors[label, 3:6]

    def cloth(self, label: int, shape: Shape, origin=(0.0, 0.0)) -> np.ndarray:
        """The garment's colour at every point of `shape`, whose own pattern coordinates start at `origin`."""
        kind = PATTERNS[int(self.factors[label, 6:].argmax())]
        if kind == "plain":
            return self.main(label)
        across, along = shape.across + origin[0], shape.along + origin[1]
        share = pattern(kind, across, along, self.period[label], self.canvas.n)[..., None]
        return self.main(label) + share * (self.second(label) - self.main(label))

    def draw(self) -> None:
        self._background()
        self._hair_behind()
        for leg in self.legs:
            self._leg(leg)
        self._neck()
        for garment in (self._top, self._bottom) if self.tucked else (self._bottom, self._top):
            garment()
        for arm in self.arms:
            self._arm(arm)
        self._head()

    def _background(self) -> None:
        canvas, x, y = self.canvas, self.canvas.x, self.canvas.y
        canvas.rgb[:] = self.main(BACKGROUND) + (self.second(BACKGROUND) - self.main(BACKGROUND)) * smooth(0, 1, y)[..., None]
        vignette = 1 - 0.06 * smooth(0.3, 0.85, np.hypot(x - 0.44, y - 0.44))
        feet = np.array([leg[2, 0] for leg in self.legs])
        across, down = (x - feet.mean() - 0.03) / (0.11 + 0.6 * np.ptp(feet)), (y - self.floor + 0.008) / 0.026
        canvas.rgb *= (vignette * (1 - 0.4 * np.exp(-(across**2) - down**2)))[..., None]

    def _hair_behind(self) -> None:
        canvas, F, (x, y), rx, ry = self.canvas, self.F, self.head, self.rx, self.ry
        colour, shaded = self.main(HAIR), self.main(HAIR) * 0.93
        if self.style == "afro":
            r = (0.115 + 0.022 * self.volume) * F
            canvas.paint(canvas.egg((x, y - 0.01 * F), (r * 1.05, r)), colour, HAIR)
        elif self.style == "bun":
            canvas.paint(canvas.egg((x + 0.03 * self.part, y - ry - 0.008 * F), (0.042 * F, 0.038 * F)), colour, HAIR)
        elif self.style == "tail":
            side = 1 if self.part > 0 else -1
            joints = np.array([[0.6, -0.6], [1.6, -0.25], [1.55, 1.0 + 0.9 * self.length]]) * [side * rx, ry] + self.head
            tail = canvas.bones(joints, 0.05 * F).limb(np.array([0.025, 0.036, 0.044, 0.036, 0.008]) * F, (0, 0.6, 1.1, 1.6, 2))
            canvas.paint(tail, colour, HAIR)
        elif self.style in ("bob", "long"):
            end = self.at(0.23 + 0.04 * self.length if self.style == "bob" else 0.32 + 0.12 * self.length)
            w = rx * (1.2 + 0.22 * self.volume)
            half = w * np.array([0.35, 0.95, 1.0, 1.08 if self.style == "bob" else 1.0, 0.86])
            keys = (y - 1.02 * ry, y - 0.4 * ry, y + 0.4 * ry, end - 0.03 * F, end)
            canvas.paint(canvas.column(keys, x - half, x + half, 0.012), shaded, HAIR)

    def _leg(self, joints: np.ndarray) -> None:
        canvas, F = self.canvas, self.F
        girth, keys = F * (0.5 + 0.5 * self.build), (0, 0.35, 1, 1.35, 1.9, 2)
        radii = np.array([0.064, 0.062, 0.043, 0.046, 0.026, 0.026]) * girth
        bones = canvas.bones(joints, max(radii) + 0.01)
        leg = bones.limb(radii, keys, start=self.leg_hem - COVERED)
        canvas.contact(leg, 0.25)
        canvas.paint(leg, self.main(LEGS), LEGS)
        if self.boot < 2:
            boot = bones.limb(radii + 0.009 * F, keys, start=self.boot)
            canvas.contact(boot, 0.25)
            canvas.paint(boot, self.main(SHOES), SHOES)
        outwards = 1 if joints[2, 0] > 0.5 else -1
        ankle, sole = joints[2], joints[2, 1] + 0.055 * F
        toe = ankle + np.array([outwards * 0.034 * F, 0.034 * F])
        shoe = canvas.bones(np.array([ankle, (ankle + toe) / 2, toe]) + np.array([[0, 0.012], [0, 0.008], [0, 0]]) * F, 0.04 * F)
        shoe = shoe.limb(np.array([0.03, 0.034, 0.03]) * F, (0, 1, 2))
        shoe.cut(shoe.y - sole)
        colour = np.where((shoe.y > sole - 0.012 * F)[..., None], self.second(SHOES), self.main(SHOES))
        canvas.contact(shoe, 0.25)
        canvas.paint(shoe, colour, SHOES)

    def _neck(self) -> None:
        canvas, F, (x, y), skin = self.canvas, self.F, self.chest, self.main(FACE)
        half = np.array([0.036 * F, 0.045 * F, 0.8 * self.shoulder, 0.75 * self.shoulder])
        canvas.paint(
            canvas.column((y - 0.045 * F, y - 0.006 * F, y + 0.03 * F, y + 0.13 * F), x - half, x + half),
            skin,
            FACE,
            0.6,
        )
        neck = canvas.bones([self.head, (self.head + self.chest) / 2, (x, y + 0.03)], 0.05 * F)
        canvas.paint(neck.limb(np.full(3, 0.038 * F), (0, 1, 2)), skin * 0.96, FACE, fade=(y - 0.02 * F, y + 0.01 * F))

    def _top(self) -> None:
        canvas, F, (x, y) = self.canvas, self.F, self.chest
        keys = np.array([y - 0.014 * F, y + 0.018 * F, y + 0.1 * F, self.at(0.415), self.at(0.52), self.at(0.62)])
        ease = self.ease
        half = np.array(
            [
                0.05 * F,
                self.shoulder - 0.015 * F,
                0.88 * self.shoulder,
                self.waist * ease,
                self.hip * ease,
                self.hip * ease,
            ]
        )
        middle = np.interp(keys, [y, self.pelvis[1]], [x, self.pelvis[0]])
        hem = self.at(self.hem)
        above = keys < hem - 0.012
        keys, middle, half = (np.append(a[above], np.interp(hem, keys, a)) for a in (keys, middle, half))
        shape = canvas.column(keys, middle - half, middle + half, 0.01)
        if self.neckline:
            across, down = np.abs(shape.x - x) / (0.062 * F), (shape.y - y + 0.03 * F) / ((self.neckline + 0.03) * F)
            hole = across + down if self.v_neck else np.hypot(across, down)
            shape.cut((1 - hole) * 0.04 * F)
        canvas.contact(shape, 0.3)
        canvas.paint(shape, self.cloth(UPPER, shape), UPPER)

    def _bottom(self) -> None:
        canvas, F, x, waist = self.canvas, self.F, self.pelvis[0], self.at(self.waistband)
        covered = waist if self.tucked else self.at(self.hem - 0.025)  # what is above lies under the upper garment
        if self.skirt_hem:
            hem = self.at(self.skirt_hem)
            half = np.array([self.waist * 1.05, self.hip * 1.08, self.hip * self.flare + 0.015])
            left, right = x - half, x + half
            legs = [np.interp(hem, leg[:, 1], leg[:, 0]) for leg in self.legs]
            left[2], right[2] = min(left[2], legs[0] - 0.06 * F), max(right[2], legs[1] + 0.06 * F)
            skirt = canvas.column((waist, self.at(0.52), hem), left, right, 0.014)
            skirt.cut(covered - skirt.y)
            canvas.contact(skirt, 0.4)
            pleats = 1 - 0.07 * (0.5 + 0.5 * np.sin(14 * skirt.nx)) * smooth(waist, hem, skirt.y)
            canvas.paint(skirt, self.cloth(LOWER, skirt) * pleats[..., None], LOWER)
            return
        girth = F * (0.5 + 0.5 * self.build)
        radii = np.array([0.073, 0.071, 0.05 * self.wide, 0.05 * self.wide, 0.047 * self.wide]) * girth
        for joints in self.legs:
            leg = canvas.bones(joints, max(radii)).limb(radii, (0, 0.35, 1, 1.35, 2), end=self.leg_hem)
            canvas.contact(leg, 0.35)
            leg.cut(covered - leg.y)
            canvas.paint(leg, self.cloth(LOWER, leg, joints[0] - (x, 0)), LOWER)
        half = np.array([self.waist * 1.05, self.hip * 1.03, self.hip * 1.06, self.hip * 0.9])
        seat = canvas.column((waist, self.at(0.48), self.at(0.54), self.at(0.585)), x - half, x + half, 0.004)
        seat.cut(covered - seat.y)
        canvas.paint(seat, self.cloth(LOWER, seat), LOWER, fade=(self.at(0.53), self.at(0.585)))

    def _arm(self, joints: np.ndarray) -> None:
        canvas, girth = self.canvas, self.F * (0.6 + 0.4 * self.build)
        bones = canvas.bones(joints, 0.06 * self.F)
        radii = np.array([0.042, 0.040, 0.031, 0.031, 0.023, 0.031, 0.024]) * girth
        arm = bones.limb(radii, (0, 0.4, 1, 1.25, 1.7, 1.88, 2), start=self.sleeve - COVERED)
        loose = smooth(0.0, 0.6, arm.t)  # no shadow where the arm grows out of the shoulder
        canvas.contact(arm, 0.4 * loose)
        canvas.paint(arm, self.main(ARMS), ARMS)
        if self.sleeve > 0:
            sleeve = bones.limb(np.array([0.044, 0.047, 0.04, 0.039, 0.035]) * girth, (0, 0.4, 1, 1.3, 2), end=self.sleeve)
            canvas.contact(sleeve, 0.4 * loose)
            canvas.paint(sleeve, self.cloth(UPPER, sleeve), UPPER)

    def _head(self) -> None:
        canvas, F, (x, y), rx, ry = self.canvas, self.F, self.head, self.rx, self.ry
        skin, hair = self.main(FACE), self.main(HAIR)
        framed = self.style in ("bob", "long")
        cap = canvas.egg((x, y - 0.008 * F), (rx * 1.13, ry * 1.07), self.tilt, 0.25)
        canvas.contact(cap, 0.4 * (canvas.ids[cap.box] != HAIR), 0.016)
        if not framed:
            cap.cut(cap.along - 0.4 * ry)  # hair ends at the ears
        if self.style == "long":
            self._locks()
        elif self.style == "short":
            quiff = canvas.egg(
                (x - 0.3 * rx * self.part, y - 0.72 * ry), (rx * (0.9 + 0.2 * self.volume), ry * 0.5), -0.4 * self.part
            )
            canvas.paint(quiff, hair, HAIR)
        if self.style != "afro":
            u, v = cap.across / rx, cap.along / ry
            sheen = np.exp(-((u + 0.35) ** 2) / 0.12 - (v + 0.66 - 0.25 * u * u) ** 2 / 0.02)  # a soft gloss
            canvas.paint(cap, hair * (1 + 0.12 * sheen)[..., None], HAIR)
        if not framed:
            across = np.array([np.cos(self.tilt), np.sin(self.tilt)]) * rx
            for side in (-1, 1):
                ear = canvas.egg(
                    self.head + across * (0.98 * side - 0.3 * self.yaw) + [0, 0.1 * ry],
                    (0.016 * F, 0.025 * F),
                    self.tilt,
                )
                canvas.paint(ear, skin * 0.95, FACE)
        face = canvas.egg((x, y + 0.005 * F), (rx * 0.98, ry * 0.98), self.tilt, 0.26)
        u, v = face.across / rx, face.along / ry
        hairline = self.fringe + 0.55 * np.abs(u - self.part) ** 1.3 + (1.9 if framed else 0.35) * smooth(0.66, 1.0, np.abs(u))
        face.cut((hairline - v) * 0.6 * ry)
        canvas.paint(face, self._features(u, v, hairline), FACE, 0.75)

    def _locks(self) -> None:
        """Long hair that falls over the shoulders to the front, on one side or on both."""
        sides = (-1, 1) if self.length < 0.5 else (1 if self.part > 0 else -1,)
        for side in sides:
            joints = (
                np.array([[0.8, -0.1], [1.08, 0.75], [0.92, 1.6 + 0.7 * self.volume]]) * [side * self.rx, self.ry] + self.head
            )
            lock = self.canvas.bones(joints, 0.04 * self.F).limb(np.array([0.024, 0.03, 0.03, 0.006]) * self.F, (0, 1, 1.5, 2))
            self.canvas.contact(lock, 0.35)
            self.canvas.paint(lock, self.main(HAIR), HAIR)

    def _features(self, u: np.ndarray, v: np.ndarray, hairline: np.ndarray) -> np.ndarray:
        """Skin with eyes, brows, cheeks, nose and mouth at head coordinates u, v (-1..1 over the head)."""
        skin, lips = self.main(FACE), self.second(FACE)
        colour = np.broadcast_to(skin, (*u.shape, 3)).copy()

        def blend(share, tone):
            colour[:] += share[..., None] * (tone - colour)

        u = u - self.yaw
        blend(0.7 * smooth(0.22, 0.0, v - hairline), skin * (0.76, 0.70, 0.72))  # under the fringe
        for side in (-1, 1):
            blend(0.3 * np.exp(-(((u - side * 0.5) / 0.24) ** 2) - ((v - 0.38) / 0.15) ** 2), (skin + lips) / 2)
            x, y = u - side * 0.38, v - 0.1
            blend(0.8 * smooth(1.15, 0.85, np.hypot(x / 0.15, y / 0.095)), 0.25 * skin + 0.72)
            blend(smooth(1.2, 0.8, np.hypot(x / 0.085, y / 0.10)), skin * 0.16)
            blend(0.9 * smooth(1.3, 0.7, np.hypot((x + 0.03) / 0.025, (y + 0.035) / 0.025)), np.ones(3))
            blend(0.8 * smooth(1.3, 0.7, np.hypot(x / 0.17, (y + 0.085 - 1.2 * x * x) / 0.03)), skin * 0.2)
            brow = np.hypot((u - side * 0.40) / 0.19, (v + 0.135 - 0.6 * (u - side * 0.40) ** 2) / 0.035)
            blend(0.75 * smooth(1.2, 0.7, brow), skin * 0.42)
        blend(0.6 * smooth(1.2, 0.6, np.hypot((u - 0.04) / 0.06, (v - 0.31) / 0.05)), skin * 0.72)
        blend(smooth(1.15, 0.8, np.hypot(u / 0.23, (v - 0.58 + 0.6 * u**2) / 0.055)), lips)
        return colour


RENDERER = Renderer(
    name="mannequins",
    version=4,
    classes=CLASSES,
    factor_names=FACTOR_NAMES,
    draw=draw,
    paint=_paint,
    stretch=STRETCH,
)
render, factors = RENDERER.render, RENDERER.factors
