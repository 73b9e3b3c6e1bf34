//! Places on a page.

use lopdf::Object;

/// A map of the plane in homogeneous coordinates, as PDF writes it: `[a b c d e f]` takes (x, y) to (ax + cy + e, bx + dy + f).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix(pub(super) [f32; 6]);

impl Matrix {
    pub(super) const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    pub(super) const fn moved(x: f32, y: f32) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }

    /// Reads six finite numbers.
    pub(super) fn read(operands: &[Object]) -> Option<Self> {
        let mut numbers = [0.0; 6];
        for (number, operand) in numbers.iter_mut().zip(operands.get(..6)?) {
            *number = operand.as_float().ok().filter(|number| number.is_finite())?;
        }
        Some(Self(numbers))
    }

    /// First this, then `next`.
    pub(super) fn then(self, next: Self) -> Self {
        let ([a, b, c, d, e, f], [p, q, r, s, t, u]) = (self.0, next.0);
        Self([
            a * p + b * r,
            a * q + b * s,
            c * p + d * r,
            c * q + d * s,
            e * p + f * r + t,
            e * q + f * s + u,
        ])
    }

    /// Which way text runs: quarter turns, counter-clockwise; none where it runs aslant.
    pub(super) fn turn(self) -> Option<u8> {
        let [a, b, ..] = self.0;
        // Twelve degrees still are a scanner's doing.
        let slope = a.abs().min(b.abs()) / a.abs().max(b.abs());
        if slope > 0.2 || !slope.is_finite() {
            None
        } else if a.abs() > b.abs() {
            Some(if a > 0.0 { 0 } else { 2 })
        } else {
            Some(if b > 0.0 { 1 } else { 3 })
        }
    }

    /// Where the origin lies, once the page has been turned back: along the line, and upwards.
    pub(super) const fn turned_origin(self, turn: u8) -> (f32, f32) {
        let [.., x, y] = self.0;
        match turn {
            0 => (x, y),
            1 => (y, -x),
            2 => (-x, -y),
            _ => (-y, x),
        }
    }

    /// How high one is.
    pub(super) fn height(self) -> f32 {
        let [_, _, c, d, ..] = self.0;
        c.hypot(d)
    }
}
