//! Vectors in int8: a quarter of the memory, for 1 % of precision.

/// A vector of whole numbers -127 to 127 and the factor that they are to be multiplied by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuantisedVector {
    scale: f32,
    values: Box<[i8]>,
}

impl QuantisedVector {
    /// The nearest such vector.
    pub(crate) fn new(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
        Self {
            scale,
            values: vector.iter().map(|value| (value / scale).round() as i8).collect(),
        }
    }

    /// From what [`Self::scale`] and [`Self::values`] gave.
    pub(crate) fn from_parts(scale: f32, values: Box<[i8]>) -> Self {
        Self { scale, values }
    }

    pub(crate) fn scale(&self) -> f32 {
        self.scale
    }

    pub(crate) fn values(&self) -> &[i8] {
        &self.values
    }

    /// The dot product with a vector of as many numbers: the cosine where both are of unit length.
    pub(crate) fn cosine(&self, other: &[f32]) -> f32 {
        // Eight sums side by side; see `super::cosine`.
        let mut sums = [0.0_f32; 8];
        let (own, other) = (self.values.as_chunks::<8>(), other.as_chunks::<8>());
        for (own, other) in own.0.iter().zip(other.0) {
            for lane in 0..8 {
                sums[lane] += f32::from(own[lane]) * other[lane];
            }
        }
        let rest: f32 = own.1.iter().zip(other.1).map(|(a, b)| f32::from(*a) * b).sum();
        (sums.iter().sum::<f32>() + rest) * self.scale
    }
}
