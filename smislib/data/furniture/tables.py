"""Tables and what things are kept in."""

from ..perspective import TOP, textured
from .ornaments import table_lamp, vase
from .pieces import BRASS, DARK, WHITE, Piece, Room, crate, fill, footprint, groove, legs, plain, row_of_books
from .seats import chair


def table(s: Room, X: float) -> Piece:
    w, Z, n, extra = s.u(1.3, 1.7), s.back - s.u(1.7, 2.0), 2 + (s.rng.random() < 0.5), s.rng.random()
    seats = [chair(s, X + (k - (n - 1) / 2) * w / n * 1.05, Z + 0.85, False) for k in range(n)]
    front = [chair(s, X + side * w * 0.3, Z - 0.35, True) for side in (-1, 1)] if s.rng.random() < 0.4 else []
    ornament = vase(s, X + s.u(-0.3, 0.3), 0.76, Z + 0.4) if extra < 0.6 else None

    def paint() -> None:
        for seat in seats:
            seat.paint()
        footprint(s, X - w / 2, X + w / 2, Z, Z + 0.8, 0.4)
        legs(s, "table", X, w - 0.14, 0.7, Z + 0.06, Z + 0.74, 0.035)
        s.box(X - w / 2, X + w / 2, 0.70, 0.76, Z, Z + 0.8, s.look("table")[:3], s.label["table"])
        top = s.tread(X - w / 2, X + w / 2, 0.76, Z, Z + 0.8)
        x, z, sharp = s.level(top, 0.76)
        s.paint(top, textured(s.look("table"), z + 0 * x, x, 0.14, sharp) * TOP, s.label["table"])
        if ornament:
            ornament.paint()
        for seat in front:
            seat.paint()

    return Piece(Z - 0.35 if front else Z, ("table", "chair", *(ornament.classes if ornament else ())), paint)


def coffee_table(s: Room, X: float, Z: float) -> Piece:
    w, high, full = s.u(0.8, 1.1), s.u(0.32, 0.42), s.rng.random() < 0.35
    flowers = vase(s, X + s.u(-0.2, 0.2), high, Z + 0.25) if full else None

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, Z + 0.5, 0.45)
        legs(s, "coffee table", X, w - 0.1, high, Z + 0.05, Z + 0.45, 0.028)
        s.box(X - w / 2, X + w / 2, high - 0.06, high, Z, Z + 0.5, s.look("coffee table")[:3], s.label["coffee table"])
        if flowers:
            flowers.paint()

    return Piece(Z, ("coffee table", *(flowers.classes if flowers else ())), paint)


def desk(s: Room, X: float) -> Piece:
    w, Z, side = s.u(1.2, 1.5), s.back - 0.75, 1 if s.rng.random() < 0.5 else -1
    seat, lit = chair(s, X - side * 0.15, Z - 0.3, True), s.rng.random() < 0.4
    light = table_lamp(s, X + side * 0.42 * w, 0.75, Z + 0.4, 0.42) if lit else None

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back, 0.45)
        legs(s, "desk", X, w - 0.1, 0.72, Z + 0.05, s.back - 0.1)
        crate(s, "desk", X + side * (w / 2 - 0.22), 0.4, 0.08, 0.72, Z + 0.03, s.back - 0.05)
        for y in (0.12, 0.32, 0.52):
            groove(s, "desk", *(X + side * (w / 2 - 0.22) + t for t in (-0.17, 0.17)), y, y + 0.17, Z + 0.03)
        s.box(X - w / 2, X + w / 2, 0.71, 0.76, Z, s.back, s.look("desk")[:3], s.label["desk"])
        at, c = Z + 0.45, s.label["computer"]
        s.paint(s.rod((X, 0.76, at), (X, 0.9, at), 0.04), DARK * 1.6, c)
        s.paint(s.block(X - 0.33, X + 0.33, 0.84, 1.24, at, 0.03, 0.1), DARK, c)
        fill(s, s.upright(X - 0.30, X + 0.30, 0.875, 1.21, at), "computer", at, period=0.22)
        s.paint(s.tread(X - 0.21, X + 0.21, 0.765, Z + 0.1, Z + 0.24), WHITE * 0.85, c)  # keyboard
        if light:
            light.paint()
        seat.paint()

    return Piece(Z - 0.3, ("desk", "computer", "chair", *(["lamp"] if lit else [])), paint)


def nightstand(s: Room, X: float) -> Piece:
    w, high, lit = s.u(0.42, 0.55), s.u(0.48, 0.6), s.rng.random() < 0.7
    light = table_lamp(s, X, high, s.back - 0.22, 0.45) if lit else vase(s, X, high, s.back - 0.22)

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, s.back - 0.42, s.back)
        crate(s, "nightstand", X, w, 0.06, high, s.back - 0.42, s.back)
        for y in (0.1, high / 2 + 0.04):
            groove(s, "nightstand", X - 0.42 * w, X + 0.42 * w, y, y + high / 2 - 0.08, s.back - 0.42)
            s.paint(s.egg(X, y + high / 4 - 0.04, s.back - 0.42, 0.025, 0.025), BRASS, s.label["nightstand"])
        light.paint()

    return Piece(s.back - 0.42, ("nightstand", *light.classes), paint)


def chest(s: Room, X: float) -> Piece:
    w, high, rows, Z = s.u(0.85, 1.1), s.u(0.78, 0.95), 3 + (s.rng.random() < 0.5), s.back - 0.48
    top = table_lamp(s, X - 0.25 * w, high, Z + 0.25, 0.45) if s.rng.random() < 0.4 else vase(s, X + 0.2 * w, high, Z + 0.25)

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        crate(s, "chest of drawers", X, w, 0.06, high, Z, s.back)
        step = (high - 0.12) / rows
        for k in range(rows):
            y = 0.09 + k * step
            groove(s, "chest of drawers", X - 0.46 * w, X + 0.46 * w, y, y + step - 0.03, Z)
            for x in (X - 0.22 * w, X + 0.22 * w):
                s.paint(s.egg(x, y + step / 2, Z, 0.026, 0.026), BRASS, s.label["chest of drawers"])
        top.paint()

    return Piece(Z, ("chest of drawers", *top.classes), paint)


def wardrobe(s: Room, X: float) -> Piece:
    w, high, Z = s.u(0.95, 1.2), s.u(1.95, 2.2), s.back - 0.58

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        crate(s, "wardrobe", X, w, 0.05, high, Z, s.back)
        for side in (-1, 1):
            groove(s, "wardrobe", *sorted((X + side * 0.02, X + side * (w / 2 - 0.04))), 0.12, high - 0.08, Z)
            plain(s, s.rod((X + side * 0.06, 0.95, Z), (X + side * 0.06, 1.15, Z), 0.016), "wardrobe", part=1, shade=0.7)

    return Piece(Z, ("wardrobe",), paint)


def cabinet(s: Room, X: float) -> Piece:
    w, high, Z, doors = s.u(0.95, 1.2), s.u(0.7, 0.85), s.back - 0.45, 2 + (s.rng.random() < 0.5)
    at = (s, X + s.u(-0.3, 0.3), high, Z + 0.2)
    top = vase(*at) if s.rng.random() < 0.6 else table_lamp(*at, 0.45)

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        crate(s, "cabinet", X, w, 0.12, high, Z, s.back)
        legs(s, "cabinet", X, w - 0.1, 0.12, Z + 0.04, s.back - 0.1, 0.03)
        for k in range(doors):
            x0, x1 = (X - w / 2 + 0.03 + (w - 0.06) * (k + t) / doors for t in (0.03, 0.97))
            groove(s, "cabinet", x0, x1, 0.17, high - 0.05, Z)
            s.paint(s.egg(x1 - 0.05, high * 0.6, Z, 0.022, 0.022), BRASS, s.label["cabinet"])
        top.paint()

    return Piece(Z, ("cabinet", *top.classes), paint)


def bookcase(s: Room, X: float) -> Piece:
    w, high, Z, key = s.u(0.85, 1.15), s.u(1.7, 2.1), s.back - 0.32, s.u(0, 50)
    rows = 5 if high > 1.85 else 4
    full = [s.u(0.45, 0.98) for _ in range(rows)]

    def paint() -> None:
        footprint(s, X - w / 2, X + w / 2, Z, s.back)
        crate(s, "bookcase", X, w, 0.0, high, Z, s.back)
        step = (high - 0.1) / rows
        for k in range(rows):
            y = 0.05 + k * step
            plain(s, s.upright(X - w / 2 + 0.04, X + w / 2 - 0.04, y, y + step - 0.04, Z), "bookcase", shade=0.5)
            L = X - w / 2 + 0.06
            row_of_books(s, L, L + (w - 0.12) * full[k], y, Z, step - 0.08, key + k)

    return Piece(Z, ("bookcase", "books"), paint)
