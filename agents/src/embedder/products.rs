//! Products of many rows of whole numbers with one vector, by the widest vector instructions that the machine has: every question
//! is multiplied with a thousand rows.
//!
//! Both kinds of instructions multiply pairs of 16-bit numbers and add the two products, which the compiler finds for half as wide
//! registers at best. The sums are exact, so all ways give the same.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256i, __m512i};

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// Multiplies each of `factors` by the sum of the products of its row with `vector`; the rows stand one after the other in `rows`,
/// each as long as `vector`.
pub(super) fn multiply_by_products(factors: &mut [f32], rows: &[i8], vector: &[i8]) {
    // Widened once: widening it for each row anew would cost as much as multiplying.
    let vector: Vec<i16> = vector.iter().map(|value| i16::from(*value)).collect();
    let rows = rows.chunks_exact(vector.len().max(1));
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = V4::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || {
                    for (factor, row) in factors.iter_mut().zip(rows) {
                        *factor *= product_of_512_bits(simd, row, &vector) as f32;
                    }
                },
            );
        }
        if let Some(simd) = V3::try_new() {
            return simd.vectorize(
                #[inline(always)]
                || {
                    for (factor, row) in factors.iter_mut().zip(rows) {
                        *factor *= product_of_256_bits(simd, row, &vector) as f32;
                    }
                },
            );
        }
    }
    for (factor, row) in factors.iter_mut().zip(rows) {
        *factor *= product(row, &vector) as f32;
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn product_of_512_bits(simd: V4, row: &[i8], vector: &[i16]) -> i32 {
    let ((row, row_rest), (vector, vector_rest)) = (row.as_chunks::<32>(), vector.as_chunks::<32>());
    let mut sums = simd.avx512f._mm512_setzero_si512();
    for (row, vector) in row.iter().zip(vector) {
        let row: __m512i = simd.avx512bw._mm512_cvtepi8_epi16(pulp::cast(*row));
        let products = simd.avx512bw._mm512_madd_epi16(row, pulp::cast(*vector));
        sums = simd.avx512f._mm512_add_epi32(sums, products);
    }
    simd.avx512f._mm512_reduce_add_epi32(sums) + product(row_rest, vector_rest)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn product_of_256_bits(simd: V3, row: &[i8], vector: &[i16]) -> i32 {
    let ((row, row_rest), (vector, vector_rest)) = (row.as_chunks::<16>(), vector.as_chunks::<16>());
    let mut sums = simd.avx._mm256_setzero_si256();
    for (row, vector) in row.iter().zip(vector) {
        let row: __m256i = simd.avx2._mm256_cvtepi8_epi16(pulp::cast(*row));
        let products = simd.avx2._mm256_madd_epi16(row, pulp::cast(*vector));
        sums = simd.avx2._mm256_add_epi32(sums, products);
    }
    let sums: [i32; 8] = pulp::cast(sums);
    sums.iter().sum::<i32>() + product(row_rest, vector_rest)
}

#[inline(always)]
fn product(row: &[i8], vector: &[i16]) -> i32 {
    row.iter().zip(vector).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_width_gives_the_same(length in 0_usize..300, values in prop::collection::vec(any::<i8>(), 900)) {
            let (vector, rows) = values.split_at(length);
            let rows = &rows[..rows.len().min(2 * length)];
            let mut factors = vec![0.5; if length == 0 { 0 } else { 2 }];
            multiply_by_products(&mut factors, rows, vector);
            let wide: Vec<i16> = vector.iter().map(|value| i16::from(*value)).collect();
            for (factor, row) in factors.iter().zip(rows.chunks_exact(length.max(1))) {
                prop_assert_eq!(*factor, 0.5 * product(row, &wide) as f32);
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = V3::try_new() {
                    prop_assert_eq!(product_of_256_bits(simd, row, &wide), product(row, &wide));
                }
            }
        }
    }
}
