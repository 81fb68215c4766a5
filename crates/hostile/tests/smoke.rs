//! Every entry point on what was worth keeping and on damaged inputs, the same ones each time. `cargo xtask fuzz`
//! looks for new ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use vmwright_hostile::damage::{Numbers, damaged};
use vmwright_hostile::targets::{TARGETS, Target};

/// Damaged inputs of each target; what takes longer than this gets fewer, since every input counts there too.
const DAMAGED: usize = 400;
const LONG: Duration = Duration::from_secs(8);

/// How long one input may take in a build that is not optimised, on a busy machine.
const SLOW: Duration = Duration::from_secs(10);

fn try_out(target: &Target, input: &[u8], what: &str) {
    let began = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let shown = || String::from_utf8_lossy(&input[..input.len().min(4000)]).into_owned();
    assert!(done.is_ok(), "{}: {what}: {:?}", target.name, shown());
    assert!(began.elapsed() < SLOW, "{}: {what} takes {:?}: {:?}", target.name, began.elapsed(), shown());
}

#[test]
fn every_target_has_inputs_that_it_takes() {
    for target in TARGETS {
        let inputs = target.inputs();
        assert!(!inputs.is_empty(), "{} has no input to begin with", target.name);
        for (number, input) in inputs.iter().enumerate() {
            try_out(target, input, &format!("input {number}"));
        }
    }
}

#[test]
fn damaged_inputs_are_taken_too() {
    for target in TARGETS {
        let inputs = target.inputs();
        let mut numbers = Numbers::new(7);
        let began = Instant::now();
        let mut tried = 0;
        while tried < DAMAGED && (began.elapsed() < LONG || tried < inputs.len()) {
            let (one, other) = (numbers.below(inputs.len()), numbers.below(inputs.len()));
            let input = damaged(&inputs[one], &inputs[other], &mut numbers);
            try_out(target, &input, &format!("damaged input {tried}"));
            tried += 1;
        }
        println!("{}: {tried} damaged inputs in {:?}", target.name, began.elapsed());
    }
}
