//! Ten times the text takes about ten times the time. Small texts, so that it runs everywhere: what is quadratic shows
//! in them too. `vmwright-linear` measures large ones, of all shapes.

use std::time::Duration;
use vmwright_hostile::linear::readers;

/// Size of the small text, in bytes.
const SIZE: usize = 2000;

/// Quadratic time would make it a hundred times as long.
const MOST: f64 = 45.0;

/// What takes less is noise.
const FLOOR: Duration = Duration::from_micros(150);

/// Most shapes of one reader: what one shape of a kind shows, its like show too.
const SHAPES: usize = 48;

#[test]
fn ten_times_the_text_takes_about_ten_times_the_time() {
    let mut slow = Vec::new();
    for reader in readers() {
        for shape in reader.shapes.iter().step_by(reader.shapes.len().div_ceil(SHAPES)) {
            let mut growth = reader.growth(shape, SIZE, 1);
            if growth.ratio(FLOOR) > MOST {
                growth = reader.growth(shape, SIZE, 5);
            }
            if growth.ratio(FLOOR) > MOST {
                slow.push(format!("{}: {}: {growth:?}", reader.name, shape.name));
            }
        }
    }
    assert!(slow.is_empty(), "\n{}", slow.join("\n"));
}
