//! When figures of several runs say something, and when they do not.
//!
//! Nothing is assumed of how the figures are distributed: times have long tails, and a busy host makes two humps of one.
//! Medians are bounded by order statistics, and two series are compared by the shift of all pairs (Hodges and Lehmann,
//! 1963) with the bounds that the distribution of Mann and Whitney's U gives it. All at 99 %, two-sided.

/// What a statement may be wrong by, on either side: one half of one percent.
const SIDE: f64 = 0.005;

/// A change that is not worth a word, as a part of the whole: machines differ by so much from one hour to the next. More
/// than the 5 % that unchanged guests were seen to differ by, less than the tenth that has to be noticed.
pub(crate) const NEGLIGIBLE: f64 = 0.07;

/// The most figures of a series that are looked at.
const MOST: usize = 64;

/// The middle value; of an even number the mean of the two in the middle.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let sorted = sorted(figures);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Between which figures the median of the whole lies; none where there are fewer than eight, which cannot tell.
pub(crate) fn interval(figures: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(figures);
    let n = sorted.len();
    // The chance that at most `out` of n figures lie below the median: a fair coin.
    let mut chance = 0.5_f64.powi(i32::try_from(n).ok()?);
    let (mut sum, mut out) = (chance, None);
    for below in 0..n / 2 {
        if sum > SIDE {
            break;
        }
        out = Some(below);
        chance *= (n - below) as f64 / (below + 1) as f64;
        sum += chance;
    }
    let out = out?;
    Some((sorted[out], sorted[n - 1 - out]))
}

/// How a series differs from an earlier one, as a part of it: 0.1 is a tenth more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shift {
    pub(crate) by: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Shift {
    /// Whether it is more than chance, and more than [`NEGLIGIBLE`].
    pub(crate) fn is_more(&self) -> bool {
        self.low > 0.0 && self.by > NEGLIGIBLE
    }

    /// The same downwards.
    pub(crate) fn is_less(&self) -> bool {
        self.high < 0.0 && self.by < -NEGLIGIBLE
    }
}

/// Compares two series of figures above 0; none where there are too few to tell, or one is not above 0.
pub(crate) fn shift(before: &[f64], now: &[f64]) -> Option<Shift> {
    let (before, now) = (&before[..before.len().min(MOST)], &now[..now.len().min(MOST)]);
    if before.iter().chain(now).any(|figure| !figure.is_finite() || *figure <= 0.0) {
        return None;
    }
    let ratios: Vec<f64> =
        before.iter().flat_map(|old| now.iter().map(move |new| (new / old).ln())).collect();
    let ratios = sorted(&ratios);
    let out = pairs_outside(before.len(), now.len())?;
    let part = |logarithm: f64| logarithm.exp() - 1.0;
    Some(Shift {
        by: part(median(&ratios)?),
        low: part(*ratios.get(out)?),
        high: part(*ratios.get(ratios.len() - 1 - out)?),
    })
}

/// How many of the smallest pairs lie below the interval: the largest u with P(U <= u) at most [`SIDE`], where U counts the
/// pairs of two series of one distribution that are the wrong way round; none where even U = 0 is likelier.
fn pairs_outside(n: usize, m: usize) -> Option<usize> {
    // How many of all orders of n and m figures have U = u: the coefficients of the Gaussian binomial, by its product.
    let size = n * m + 1;
    let mut counts = vec![0.0_f64; size];
    *counts.first_mut()? = 1.0;
    for k in 1..=n.min(m) {
        let other = n.max(m);
        // Times (1 - q^(other + k)), then divided by (1 - q^k).
        for u in (other + k..size).rev() {
            counts[u] -= counts[u - other - k];
        }
        for u in k..size {
            counts[u] += counts[u - k];
        }
    }
    let all: f64 = counts.iter().sum();
    let (mut sum, mut out) = (0.0, None);
    for (u, count) in counts.iter().enumerate() {
        sum += count;
        if sum / all > SIDE {
            break;
        }
        out = Some(u);
    }
    out
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = figures.iter().copied().filter(|figure| figure.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests;
