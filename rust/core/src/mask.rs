//! Which of many numbers reach a bound, as bits.

/// Numbers that are tested at once.
pub(crate) const LANES: usize = 32;

/// Bit i is set if `summand + values[i]` is at least `least`.
#[inline(always)]
pub(crate) fn reaching(summand: f32, values: &[f32; LANES], least: f32) -> u32 {
    // SAFETY: SSE2 is part of x86-64 itself.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    return unsafe { sse2::reaching(summand, values, least) };
    #[cfg(not(target_arch = "x86_64"))]
    return portable::reaching(summand, values, least);
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::LANES;

    pub(super) fn reaching(summand: f32, values: &[f32; LANES], least: f32) -> u32 {
        let reaches = |value: &f32| u32::from(summand + value >= least);
        values.iter().enumerate().fold(0, |mask, (i, value)| mask | reaches(value) << i)
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_add_ps, _mm_castps_si128, _mm_cmpge_ps, _mm_movemask_epi8, _mm_packs_epi16,
        _mm_packs_epi32, _mm_set_ps, _mm_set1_ps,
    };

    use super::LANES;

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn reaching(summand: f32, values: &[f32; LANES], least: f32) -> u32 {
        let four = |[a, b, c, d]: [f32; 4]| {
            let sums = _mm_add_ps(_mm_set1_ps(summand), _mm_set_ps(d, c, b, a));
            _mm_castps_si128(_mm_cmpge_ps(sums, _mm_set1_ps(least)))
        };
        let mut mask = 0;
        for (i, block) in values.as_chunks::<16>().0.iter().enumerate() {
            let quarter = |q: usize| -> __m128i { four(std::array::from_fn(|lane| block[4 * q + lane])) };
            // All ones or all zeros keep their sign when they are narrowed.
            let (low, high) =
                (_mm_packs_epi32(quarter(0), quarter(1)), _mm_packs_epi32(quarter(2), quarter(3)));
            mask |= u32::from(_mm_movemask_epi8(_mm_packs_epi16(low, high)) as u16) << (16 * i);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_agrees_with_the_portable_form() {
        let special = [0.0, -0.0, 1.5, -1.5, f32::MIN_POSITIVE, 1e30, -1e30, f32::NEG_INFINITY];
        for shift in 0..64 {
            let values = std::array::from_fn(|i| special[(i * 5 + shift) % 8] + (i % 3) as f32);
            for summand in special {
                for least in special {
                    let expected = portable::reaching(summand, &values, least);
                    assert_eq!(reaching(summand, &values, least), expected, "{summand} {least}");
                }
            }
        }
    }
}
