//! What two machines say differently, key by key.

use crate::{Effect, Remark};
use serde_json::Value;
use vmwright_formats::machine_spec::{parse_cpu_list, parse_size};
use vmwright_model::MachineSpec;

/// What of a machine is lost, altered or added in what a text says of it. Foreign parts are not looked at. `left_out`
/// are elements of lists that the text does not say at all: the list as a JSON pointer, and the place in it, ascending.
pub(crate) fn remarks(
    meant: &MachineSpec,
    said: &MachineSpec,
    left_out: &[(&'static str, usize)],
) -> Vec<Remark> {
    let plain = |spec: &MachineSpec| {
        let mut spec = spec.clone();
        spec.foreign = Vec::new();
        serde_json::to_value(&spec).unwrap_or_default()
    };
    let (mut remarks, mut said) = (Vec::new(), plain(said));
    for (list, at) in left_out {
        // What stands behind it is compared with what it is, and not with its neighbour.
        // A list that is empty is not there at all.
        if let Some((above, key)) = list.rsplit_once('/')
            && let Some(Value::Object(above)) = said.pointer_mut(above)
        {
            above.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        }
        if let Some(Value::Array(list)) = said.pointer_mut(list) {
            list.insert((*at).min(list.len()), Value::Null);
        }
    }
    compare(&plain(meant), &said, &mut String::new(), &mut remarks);
    remarks
}

fn compare(meant: &Value, said: &Value, path: &mut String, remarks: &mut Vec<Remark>) {
    match (meant, said) {
        (Value::Object(one), Value::Object(two)) => {
            let keys = one.keys().chain(two.keys().filter(|key| !one.contains_key(*key)));
            for key in keys {
                within(path, key, |path| both(one.get(key), two.get(key), path, remarks));
            }
        }
        (Value::Array(one), Value::Array(two)) => {
            for at in 0..one.len().max(two.len()) {
                within(path, &at.to_string(), |path| both(one.get(at), two.get(at), path, remarks));
            }
        }
        _ if same(meant, said) => {}
        _ => remarks.push(Remark {
            effect: Effect::Approximated,
            item: path.clone(),
            why: format!("it says {said} in place of {meant}"),
        }),
    }
}

fn both(meant: Option<&Value>, said: Option<&Value>, path: &mut String, remarks: &mut Vec<Remark>) {
    match (meant, said) {
        (Some(meant), Some(said)) if !said.is_null() => compare(meant, said, path, remarks),
        (Some(meant), _) => remarks.push(Remark {
            effect: Effect::Lost,
            item: path.clone(),
            why: format!("there is no word for {}", short(meant)),
        }),
        (None, Some(said)) => remarks.push(Remark {
            effect: Effect::Defaulted,
            item: path.clone(),
            why: format!("it says {}", short(said)),
        }),
        (None, None) => {}
    }
}

fn within(path: &mut String, key: &str, inner: impl FnOnce(&mut String)) {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(key);
    inner(path);
    path.truncate(length);
}

pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().nth(80).is_none() { text } else { text.chars().take(77).chain("...".chars()).collect() }
}

/// Whether two values mean the same: sizes and lists have several spellings.
fn same(one: &Value, two: &Value) -> bool {
    if one == two {
        return true;
    }
    let (Some(one), Some(two)) = (one.as_str(), two.as_str()) else { return false };
    let sizes = parse_size(one).ok().zip(parse_size(two).ok());
    let lists = parse_cpu_list(one).ok().zip(parse_cpu_list(two).ok());
    sizes.is_some_and(|(one, two)| one == two) || lists.is_some_and(|(one, two)| one == two)
}
