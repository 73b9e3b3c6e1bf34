//! Products of rows of whole numbers with one vector, by the widest vector instructions that the machine has: every question
//! is multiplied with a thousand rows.
//!
//! The compiler finds none of these instructions by itself for a sum of products of bytes. The sums are exact, so all ways give
//! the same.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, __m512i, _mm512_dpbusd_epi32, _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512,
    _mm512_sub_epi32, _mm512_xor_si512,
};

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

use super::with_vector_instructions;

/// Multiplies each of `factors` by the sum of the products of its row with `vector`; the rows stand one after the other in `rows`,
/// each as long as `vector`.
pub(super) fn multiply_by_products(factors: &mut [f32], rows: &[i8], vector: &[i8]) {
    #[cfg(target_arch = "x86_64")]
    {
        if has_dot_products() {
            #[expect(
                unsafe_code,
                reason = "a function for instructions that not every machine has can be called in no other way"
            )]
            // SAFETY: the machine has the instructions that the function is compiled for, as was asked right above.
            return unsafe { multiply_by_dot_products(factors, rows, vector) };
        }
        // Widened once: widening it for each row anew would cost as much as multiplying.
        let vector: Vec<i16> = vector.iter().map(|value| i16::from(*value)).collect();
        let rows = rows.chunks_exact(vector.len().max(1));
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
    for (factor, row) in factors.iter_mut().zip(rows.chunks_exact(vector.len().max(1))) {
        *factor *= product(row, vector) as f32;
    }
}

/// The sum of the products of two rows.
pub(super) fn sum_of_products(a: &[i8], b: &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if has_dot_products() {
        #[expect(
            unsafe_code,
            reason = "a function for instructions that not every machine has can be called in no other way"
        )]
        // SAFETY: the machine has the instructions that the function is compiled for, as was asked right above.
        return unsafe { dot_product(a, b) };
    }
    with_vector_instructions(
        #[inline(always)]
        || product(a, b),
    )
}

/// Whether the machine has the instructions that [`dot_product`] is compiled for.
#[cfg(target_arch = "x86_64")]
fn has_dot_products() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply_by_dot_products(factors: &mut [f32], rows: &[i8], vector: &[i8]) {
    for (factor, row) in factors.iter_mut().zip(rows.chunks_exact(vector.len().max(1))) {
        *factor *= dot_product(row, vector) as f32;
    }
}

/// By instructions that were made for it (VNNI): one multiplies 64 pairs of bytes and adds up the products.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn dot_product(row: &[i8], vector: &[i8]) -> i32 {
    let ((row, row_rest), (vector, vector_rest)) = (row.as_chunks::<64>(), vector.as_chunks::<64>());
    // One factor of each pair must be unsigned: 128 is added to those of the vector, and what that adds is taken away again.
    let shift = _mm512_set1_epi8(i8::MIN);
    let (mut sums, mut shifts) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for (row, vector) in row.iter().zip(vector) {
        let row: __m512i = pulp::cast(*row);
        let shifted = _mm512_xor_si512(pulp::cast(*vector), shift);
        sums = _mm512_dpbusd_epi32(sums, shifted, row);
        shifts = _mm512_dpbusd_epi32(shifts, shift, row);
    }
    _mm512_reduce_add_epi32(_mm512_sub_epi32(sums, shifts)) + product(row_rest, vector_rest)
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
fn product<T: Copy + Into<i32>>(row: &[i8], vector: &[T]) -> i32 {
    row.iter().zip(vector).map(|(a, b)| i32::from(*a) * (*b).into()).sum()
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
                prop_assert_eq!(*factor, 0.5 * product(row, vector) as f32);
                prop_assert_eq!(sum_of_products(row, vector), product(row, vector));
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = V3::try_new() {
                    prop_assert_eq!(product_of_256_bits(simd, row, &wide), product(row, vector));
                }
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = V4::try_new() {
                    prop_assert_eq!(product_of_512_bits(simd, row, &wide), product(row, vector));
                }
            }
        }
    }
}
