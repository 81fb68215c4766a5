use super::*;

/// Numbers of splitmix64: the same in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1, without them.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Of the normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// How a machine's figures may lie: even, with a long tail, in two humps, with outliers.
type Distribution = fn(&mut Chance) -> f64;
const DISTRIBUTIONS: [(&str, Distribution); 4] = [
    ("normal, 3 %", |chance| 100.0 + 3.0 * chance.normal()),
    ("lognormal, 5 %", |chance| (0.05 * chance.normal()).exp() * 100.0),
    ("two humps", |chance| if chance.uniform() < 0.3 { 108.0 } else { 100.0 } + chance.normal()),
    ("outliers", |chance| if chance.uniform() < 0.1 { 300.0 } else { 100.0 } + 2.0 * chance.normal()),
];

/// Runs of one review.
const RUNS: usize = 12;
/// Simulated reviews of each kind.
const REPEATS: usize = 200;

fn series(of: Distribution, chance: &mut Chance, factor: f64) -> Vec<f64> {
    (0..RUNS).map(|_| of(chance) * factor).collect()
}

#[test]
fn an_unchanged_machine_is_called_slower_in_less_than_one_of_a_hundred_reviews() {
    for (name, of) in DISTRIBUTIONS {
        let mut chance = Chance(1);
        let alarms = (0..REPEATS)
            .filter(|_| {
                let (before, now) = (series(of, &mut chance, 1.0), series(of, &mut chance, 1.0));
                shift(&before, &now).expect("there are enough").is_less()
            })
            .count();
        assert!(alarms * 100 < REPEATS, "{name}: {alarms} false alarms in {REPEATS}");
    }
}

#[test]
fn a_tenth_less_is_noticed() {
    for (name, of) in DISTRIBUTIONS {
        let mut chance = Chance(2);
        let caught = (0..REPEATS)
            .filter(|_| {
                let (before, now) = (series(of, &mut chance, 1.0), series(of, &mut chance, 0.9));
                shift(&before, &now).expect("there are enough").is_less()
            })
            .count();
        assert!(caught * 100 >= REPEATS * 90, "{name}: {caught} of {REPEATS} were noticed");
    }
}

#[test]
fn the_median_lies_in_its_interval_in_99_of_100_reviews() {
    for (name, of) in DISTRIBUTIONS {
        let mut chance = Chance(3);
        let truth =
            median(&(0..100_001).map(|_| of(&mut chance)).collect::<Vec<_>>()).expect("there are some");
        let missed = (0..REPEATS * 100)
            .filter(|_| {
                let (low, high) = interval(&series(of, &mut chance, 1.0)).expect("there are enough");
                truth < low || truth > high
            })
            .count();
        assert!(missed <= REPEATS, "{name}: missed {missed} times in {}", REPEATS * 100);
    }
}

#[test]
fn order_statistics_are_those_of_the_tables() {
    let figures = |n: i32| (1..=n).map(f64::from).collect::<Vec<_>>();
    assert_eq!(interval(&figures(7)), None, "seven cannot tell at 99 %");
    assert_eq!(interval(&figures(8)), Some((1.0, 8.0)));
    assert_eq!(interval(&figures(12)), Some((2.0, 11.0)));
    assert_eq!(interval(&figures(20)), Some((4.0, 17.0)));
    // Critical values of U for two-sided 1 %: Mann and Whitney's table.
    assert_eq!(pairs_outside(5, 5), Some(0));
    assert_eq!(pairs_outside(8, 8), Some(7));
    assert_eq!(pairs_outside(10, 10), Some(16));
    assert_eq!(pairs_outside(12, 12), Some(27));
    assert_eq!(pairs_outside(20, 20), Some(105));
    assert_eq!(pairs_outside(3, 3), None);
    assert_eq!(pairs_outside(0, 5), None);
}

#[test]
fn medians() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[0.5, 0.3, 0.9, 0.4]), Some(0.45));
}

#[test]
fn figures_that_are_none_are_refused() {
    let good = [1.0; 12];
    assert_eq!(shift(&good, &[0.0; 12]), None);
    assert_eq!(shift(&good, &[f64::NAN; 12]), None);
    assert_eq!(shift(&good, &good), Some(Shift { by: 0.0, low: 0.0, high: 0.0 }));
}
