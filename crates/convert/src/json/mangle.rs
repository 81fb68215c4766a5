//! Documents for tests: a whole one, with parts left out, doubled and replaced.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Documents made of a whole one.
pub(crate) fn mangled(whole: Value) -> impl Strategy<Value = Value> {
    prop::collection::vec((any::<u32>(), 0_usize..14), 0..6).prop_map(move |changes| {
        let mut value = whole.clone();
        for (place, how) in changes {
            change(&mut value, place, how);
        }
        value
    })
}

/// The places at which two documents differ.
pub(crate) fn differing(one: &Value, two: &Value, at: &str, found: &mut Vec<String>) {
    match (one, two) {
        (Value::Object(own), Value::Object(others)) => {
            for key in own.keys().chain(others.keys().filter(|key| !own.contains_key(*key))) {
                differing(&one[key], &two[key], &format!("{at}/{key}"), found);
            }
        }
        (Value::Array(own), Value::Array(others)) if own.len() == others.len() => {
            for (number, (one, two)) in own.iter().zip(others).enumerate() {
                differing(one, two, &format!("{at}[{number}]"), found);
            }
        }
        _ if one == two => {}
        _ => found.push(format!("{at}: {one} became {two}")),
    }
}

/// Goes down by the digits of a number and changes what is there.
fn change(value: &mut Value, place: u32, how: usize) {
    let (here, rest) = (place.is_multiple_of(7), place / 7);
    let count = match value {
        Value::Object(members) => members.len(),
        Value::Array(elements) => elements.len(),
        _ => 0,
    };
    if count == 0 {
        *value = other(how);
        return;
    }
    let at = rest as usize % count;
    match value {
        Value::Object(members) => {
            let key = members.keys().nth(at).cloned().unwrap_or_default();
            match (here, how) {
                (true, 0..5) => drop(members.remove(&key)),
                (true, 5) => drop(members.insert("un/known[~".to_owned(), json!({"a": [1]}))),
                (true, _) => drop(members.insert(key, other(how))),
                (false, _) => change(&mut members[&key], rest / 5, how),
            }
        }
        Value::Array(elements) => match (here, how) {
            (true, 0..3) => drop(elements.remove(at)),
            (true, 3..6) => {
                let copy = elements[at].clone();
                elements.insert(at, copy);
            }
            (true, _) => elements[at] = other(how),
            (false, _) => change(&mut elements[at], rest / 5, how),
        },
        _ => {}
    }
}

fn other(how: usize) -> Value {
    let values = [
        json!(0),
        json!(1),
        json!(-3),
        json!(4096),
        json!(u64::MAX),
        json!(1.5),
        json!("x"),
        json!(""),
        json!(true),
        json!(false),
        json!(null),
        json!([]),
        json!({}),
        json!({"size": 7}),
    ];
    values[how % values.len()].clone()
}
