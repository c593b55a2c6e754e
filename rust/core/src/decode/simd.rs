//! Passes over logits that are a few vector instructions each.

use std::ops::Range;

/// Numbers that are tested at once.
pub(crate) const LANES: usize = 32;

/// Set bit i if `summand + values[i]` is at least `least`.
#[inline(always)]
fn mask(summand: f32, values: &[f32; LANES], least: f32) -> u32 {
    // SAFETY: SSE2 is part of x86-64 itself.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    return unsafe { sse2::mask(summand, values, least) };
    #[cfg(not(target_arch = "x86_64"))]
    return portable::mask(summand, values, least);
}

/// Find which of the first `LANES` values of a range are at least `least` when `summand` is added. As many
/// values stand behind the range, whatever they are.
#[inline(always)]
pub(crate) fn reaching(
    summand: f32,
    values: &[f32],
    range: Range<usize>,
    least: f32,
) -> impl Iterator<Item = usize> {
    let block = values[range.start..].first_chunk().unwrap_or(&[f32::NEG_INFINITY; LANES]);
    let mut found = mask(summand, block, least);
    if range.len() < LANES {
        found &= (1 << range.len()) - 1;
    }
    std::iter::from_fn(move || {
        let bit = found.trailing_zeros() as usize;
        found &= found.wrapping_sub(1);
        (bit < LANES).then_some(range.start + bit)
    })
}

/// Bound the spans of each start: its logit plus the greatest end logit of the `length` positions from
/// there on. The sliding maximum doubles its reach in each pass, from one buffer to the other so that it
/// vectorises.
#[inline(always)]
pub(crate) fn span_bounds(start: &[f32], end: &[f32], length: usize, [bounds, other]: &mut [Vec<f32>; 2]) {
    bounds.clear();
    bounds.extend_from_slice(end);
    let mut reach = 1;
    while reach < length {
        let shift = reach.min(length - reach);
        other.clear();
        let both = bounds.iter().zip(&bounds[shift..]);
        other.extend(both.map(|(&near, &far)| if far > near { far } else { near }));
        other.extend_from_slice(&bounds[bounds.len() - shift..]);
        std::mem::swap(bounds, other);
        reach += shift;
    }
    for (bound, start) in bounds.iter_mut().zip(start) {
        *bound += start;
    }
}

/// Find a value that at least n of the values reach, and hardly more do: bisection, whose
/// counting passes are a few vector instructions each. Less than all when there are not n.
#[inline(always)]
pub(crate) fn lower_bound(values: &[f32], n: usize) -> f32 {
    if values.len() <= n {
        return f32::NEG_INFINITY;
    }
    let (mut low, mut high) = extremes(values);
    for _ in 0..12 {
        let middle = low + (high - low) / 2.0;
        let reached = values.iter().map(|&value| u32::from(value >= middle)).sum::<u32>() as usize;
        if reached >= n {
            low = middle;
            if reached <= n + n / 4 {
                break;
            }
        } else {
            high = middle;
        }
    }
    low
}

/// Find the least and the greatest value.
#[inline(always)]
fn extremes(values: &[f32]) -> (f32, f32) {
    // Each lane has its own, so that the loop is a few vector instructions.
    let least = |a: f32, b: f32| if b < a { b } else { a };
    let most = |a: f32, b: f32| if b > a { b } else { a };
    let mut lows = [f32::INFINITY; LANES];
    let mut highs = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        lows = std::array::from_fn(|lane| least(lows[lane], block[lane]));
        highs = std::array::from_fn(|lane| most(highs[lane], block[lane]));
    }
    let low = lows.iter().chain(rest).copied().fold(f32::INFINITY, least);
    (low, highs.iter().chain(rest).copied().fold(f32::NEG_INFINITY, most))
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::LANES;

    pub(super) fn mask(summand: f32, values: &[f32; LANES], least: f32) -> u32 {
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
    pub(super) fn mask(summand: f32, values: &[f32; LANES], least: f32) -> u32 {
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
                    let expected = portable::mask(summand, &values, least);
                    assert_eq!(mask(summand, &values, least), expected, "{summand} {least}");
                }
            }
        }
    }
}
