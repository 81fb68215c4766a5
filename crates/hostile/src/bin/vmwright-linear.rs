//! How time grows with hostile texts, as a table: `vmwright-linear [SIZE] [READER]`. SIZE is the small text's, in
//! bytes (default 100000); READER is a part of a name. Ends with 1 where something grows faster than its text.

use std::process::ExitCode;
use std::time::Duration;
use vmwright_hostile::linear::{Growth, readers};

/// Ten times the text may take this many times as long: the processor's caches end somewhere between the two.
const MOST: f64 = 20.0;

/// What takes less is noise.
const FLOOR: Duration = Duration::from_micros(300);

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let size: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(100_000);
    let wanted = words.next().unwrap_or_default();
    let mut code = ExitCode::SUCCESS;
    println!(
        "{:<28} {:>10} {:>10} {:>7}  worst shape",
        "reader",
        format!("{} KB", size / 1000),
        format!("{} KB", size / 100),
        "ratio"
    );
    for reader in readers().iter().filter(|reader| reader.name.contains(&wanted)) {
        let mut worst: Option<(f64, Growth, &str)> = None;
        for shape in &reader.shapes {
            let mut growth = reader.growth(shape, size, 1);
            if growth.ratio(FLOOR) > MOST / 2.0 {
                growth = reader.growth(shape, size, 5);
            }
            let ratio = growth.ratio(FLOOR);
            if worst.as_ref().is_none_or(|(most, ..)| ratio > *most) {
                worst = Some((ratio, growth, &shape.name));
            }
        }
        let Some((ratio, growth, shape)) = worst else { continue };
        println!("{:<28} {:>10.1?} {:>10.1?} {ratio:>7.1}  {shape}", reader.name, growth.small, growth.large);
        if ratio > MOST {
            code = ExitCode::FAILURE;
        }
    }
    code
}
