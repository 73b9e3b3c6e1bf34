//! How near the nearest are.

/// How sharply the nearest one is preferred, on the scale of a cosine.
const SHARPNESS: f32 = 0.06;
/// At most this many count.
const KEPT_MAX: usize = 4;

/// A smooth maximum over the nearest few of many: one that is very near counts for more than several that are less so.
#[derive(Debug, Clone)]
pub(super) struct SmoothMax {
    kept: [f32; KEPT_MAX],
    /// The least of them: what is not nearer changes nothing.
    least: f32,
    count: usize,
    seen: usize,
}

impl SmoothMax {
    /// Over the nearest `count`, at most [`KEPT_MAX`].
    pub(super) fn new(count: usize) -> Self {
        Self {
            kept: [f32::NEG_INFINITY; KEPT_MAX],
            least: f32::NEG_INFINITY,
            count: count.clamp(1, KEPT_MAX),
            seen: 0,
        }
    }

    /// Takes in one more.
    #[inline]
    pub(super) fn add(&mut self, near: f32) {
        self.seen += 1;
        if near > self.least {
            self.keep(near);
        }
    }

    /// Keeps them in order, the nearest first.
    fn keep(&mut self, mut near: f32) {
        for kept in &mut self.kept[..self.count] {
            (*kept, near) = (kept.max(near), kept.min(near));
        }
        self.least = self.kept[self.count - 1];
    }

    /// 0 where nothing was taken in.
    pub(super) fn value(&self) -> f32 {
        let count = self.count.min(self.seen);
        if count == 0 {
            return 0.0;
        }
        let sum: f32 = self.kept[..count].iter().map(|near| (near / SHARPNESS).exp()).sum();
        SHARPNESS * (sum / count as f32).max(1.0).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_between_the_mean_and_the_nearest_and_few_are_no_fault() {
        let mut few = SmoothMax::new(4);
        assert_eq!(few.value(), 0.0);
        few.add(0.6);
        assert!((few.value() - 0.6).abs() < 1e-5);
        let mut many = SmoothMax::new(4);
        for near in [0.1, 0.6, 0.3, 0.2, 0.5, 0.0] {
            many.add(near);
        }
        assert!(many.value() > 0.4 && many.value() < 0.6);
    }
}
