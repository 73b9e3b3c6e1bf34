//! Vectors in int8: a quarter of the memory, for 1 % of precision.

use super::products::{multiply_by_products, sum_of_products};

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

    /// The dot product with a vector of as many numbers: the cosine where both were of unit length.
    pub(crate) fn cosine(&self, other: &Self) -> f32 {
        sum_of_products(&self.values, &other.values) as f32 * self.scale * other.scale
    }
}

/// Many vectors of one length, one after the other, each with its factor: what is scanned as a whole for every question.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct QuantisedMatrix {
    scales: Vec<f32>,
    values: Vec<i8>,
}

impl QuantisedMatrix {
    /// Takes in one more vector, of as many numbers as the others.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        self.push_quantised(&QuantisedVector::new(vector));
    }

    /// The same of one that is quantised.
    pub(crate) fn push_quantised(&mut self, vector: &QuantisedVector) {
        self.scales.push(vector.scale);
        self.values.extend(&vector.values);
    }

    /// How many vectors there are.
    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    /// A vector, near to what it was before it was taken in.
    pub(crate) fn vector(&self, at: usize) -> Vec<f32> {
        let dimensions = self.values.len() / self.len().max(1);
        let values = &self.values[at * dimensions..(at + 1) * dimensions];
        values.iter().map(|value| f32::from(*value) * self.scales[at]).collect()
    }

    /// The cosine of each of them to a vector of as many numbers, where all were of unit length.
    pub(crate) fn cosines(&self, vector: &QuantisedVector) -> Vec<f32> {
        let mut cosines: Vec<f32> = self.scales.iter().map(|scale| scale * vector.scale).collect();
        multiply_by_products(&mut cosines, &self.values, &vector.values);
        cosines
    }

    /// The factors (`f32`, little-endian), and behind them the numbers.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let scales = self.scales.iter().flat_map(|scale| scale.to_le_bytes());
        scales
            .chain(self.values.iter().map(|value| value.cast_unsigned()))
            .collect()
    }

    /// Reads what [`Self::to_bytes`] gave for vectors of so many numbers; none where it is not of that form.
    pub(crate) fn from_bytes(bytes: &[u8], dimensions: usize) -> Option<Self> {
        let row = dimensions + size_of::<f32>();
        if row == 0 || !bytes.len().is_multiple_of(row) {
            return None;
        }
        let (scales, values) = bytes.split_at(bytes.len() / row * size_of::<f32>());
        Some(Self {
            scales: scales
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
            values: values.iter().map(|byte| byte.cast_signed()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        embedder::{DIMENSIONS, cosine},
        testing::embedder,
    };

    #[test]
    fn a_matrix_says_of_each_vector_nearly_what_the_vector_says() {
        let texts = ["rotate the key", "refund the invoice", ""];
        let question = embedder().embed("How do I rotate a key?");
        let mut matrix = QuantisedMatrix::default();
        texts.iter().for_each(|text| matrix.push(&embedder().embed(text)));
        assert_eq!(matrix.len(), 3);
        for (text, found) in texts.iter().zip(matrix.cosines(&QuantisedVector::new(&question))) {
            let exact = cosine(&embedder().embed(text), &question);
            assert!((found - exact).abs() < 0.01, "{text}: {found} is not {exact}");
        }
        assert!(cosine(&matrix.vector(1), &embedder().embed(texts[1])) > 0.99);
    }

    #[test]
    fn a_matrix_is_read_as_it_was_written_and_nothing_else_is() {
        let mut matrix = QuantisedMatrix::default();
        let none = QuantisedMatrix::from_bytes(&matrix.to_bytes(), DIMENSIONS);
        assert_eq!(none, Some(QuantisedMatrix::default()));
        matrix.push(&embedder().embed("rotate the key"));
        matrix.push(&embedder().embed("refund"));
        let bytes = matrix.to_bytes();
        assert_eq!(QuantisedMatrix::from_bytes(&bytes, DIMENSIONS), Some(matrix));
        assert_eq!(QuantisedMatrix::from_bytes(&bytes[1..], DIMENSIONS), None);
    }
}
