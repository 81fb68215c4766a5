//! What a review says of controls, as OSCAL assessment results (NIST, version 1.1.2), for tools of assessors.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vmwright_model::{Control, ControlState, Framework, Review};
use vmwright_review::subject;

/// Version of OSCAL whose schema the document follows.
const OSCAL: &str = "1.1.2";

/// The document; none where the review was not sorted by any framework.
#[must_use]
pub fn results(review: &Review) -> Option<Value> {
    if review.frameworks.is_empty() {
        return None;
    }
    Some(json!({ "assessment-results": {
        "uuid": uuid(&["document", &subject(review), &review.began]),
        "metadata": {
            "title": format!("Review of {}", subject(review)),
            "last-modified": review.began,
            "version": "1",
            "oscal-version": OSCAL,
            "remarks": "Evidence for an assessor; no statement of compliance.",
        },
        // There is no plan of an assessment but the review itself.
        "import-ap": { "href": "#", "remarks": format!("vmwright review {}", review.host.as_ref().map_or(&*review.vm, |_| super::THIS_HOST)) },
        "results": review.frameworks.iter().map(|framework| result(review, framework)).collect::<Vec<_>>(),
    } }))
}

fn result(review: &Review, framework: &Framework) -> Value {
    let id = |control: &Control| identifier(&framework.name, &control.id);
    let told: Vec<&Control> = framework
        .controls
        .iter()
        .filter(|control| !matches!(control.state, ControlState::OutsideReach(_)))
        .collect();
    let selected: Vec<Value> = told.iter().map(|control| json!({ "control-id": id(control) })).collect();
    let of = |what: &str, control: &Control| {
        uuid(&[what, &subject(review), &review.began, &framework.name, &control.id])
    };
    let observation = |control: &&Control| {
        let description =
            if control.evidence.is_empty() { "not tried".to_owned() } else { control.evidence.join("\n") };
        json!({
            "uuid": of("observation", control),
            "description": visible(&description),
            "methods": ["TEST"],
            "collected": review.began,
        })
    };
    // OSCAL has two states. What was not tested is not satisfied, and says why.
    let finding = |control: &&Control| {
        let state = if control.state == ControlState::Met { "satisfied" } else { "not-satisfied" };
        let reason = match control.state {
            ControlState::Met => "pass",
            ControlState::NotMet(_) => "fail",
            _ => "other",
        };
        let why = control.state.why();
        let remarks = if why.is_empty() {
            control.state.word().to_owned()
        } else {
            format!("{}: {why}", control.state.word())
        };
        json!({
            "uuid": of("finding", control),
            "title": format!("{} {}", framework.title, control.id),
            "description": control.demands,
            "target": {
                "type": "objective-id",
                "target-id": id(control),
                "status": { "state": state, "reason": reason, "remarks": visible(&remarks) },
            },
            "related-observations": [{ "observation-uuid": of("observation", control) }],
        })
    };
    json!({
        "uuid": uuid(&["result", &subject(review), &review.began, &framework.name]),
        "title": framework.title,
        "description": format!("{} Source: {}", framework.note, framework.source),
        "start": review.began,
        "reviewed-controls": { "control-selections": [{ "include-controls": selected }] },
        "observations": told.iter().map(observation).collect::<Vec<_>>(),
        "findings": told.iter().map(finding).collect::<Vec<_>>(),
    })
}

/// A control as a token of OSCAL: letters, digits, `.`, `-`, `_`, beginning with a letter.
fn identifier(framework: &str, control: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c.to_ascii_lowercase() } else { '-' }
    };
    format!("{framework}_{}", control.chars().map(plain).collect::<String>())
}

/// A UUID that follows from what it names, so that the same review gives the same document. OSCAL takes versions 4 and 5;
/// version 5 is one made of a digest (RFC 9562, 5.5), here of SHA-256 cut to its length.
fn uuid(of: &[&str]) -> String {
    let digest = Sha256::digest(of.join("\n").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Text that a guest may have written, with what a reader would obey written out.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && crate::is_unseen(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tested_is_not_satisfied() {
        let control = |id: &str, state| Control {
            id: id.to_owned(),
            demands: "d".to_owned(),
            state,
            evidence: vec!["isolation/user: pass".to_owned()],
        };
        let framework = Framework {
            name: "pci-dss".to_owned(),
            title: "PCI DSS".to_owned(),
            note: "n".to_owned(),
            source: "https://example.org".to_owned(),
            controls: vec![
                control("2.2.6", ControlState::Met),
                control("6.3.3", ControlState::NotTested("dark\u{1b}".to_owned())),
                control("1.3.2", ControlState::NotMet("leaks".to_owned())),
                control("9.2.1", ControlState::OutsideReach("a place".to_owned())),
            ],
        };
        let review =
            Review { vm: "web".to_owned(), began: "2026-01-01T00:00:00Z".to_owned(), ..Review::default() };
        assert_eq!(results(&review), None);
        let review = Review { frameworks: vec![framework], ..review };
        let document = results(&review).unwrap();
        assert_eq!(results(&review).unwrap(), document, "the same review, the same document");
        let result = &document["assessment-results"]["results"][0];
        let states: Vec<&str> = result["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["target"]["status"]["state"].as_str().unwrap())
            .collect();
        assert_eq!(states, ["satisfied", "not-satisfied", "not-satisfied"]);
        assert_eq!(result["findings"][1]["target"]["status"]["remarks"], "not tested: dark\\u{1b}");
        assert_eq!(result["findings"][0]["target"]["target-id"], "pci-dss_2.2.6");
        let id = document["assessment-results"]["uuid"].as_str().unwrap();
        assert_eq!((id.len(), &id[14..15]), (36, "5"));
        // Each finding rests on an observation that is there.
        for (finding, observation) in
            result["findings"].as_array().unwrap().iter().zip(result["observations"].as_array().unwrap())
        {
            assert_eq!(finding["related-observations"][0]["observation-uuid"], observation["uuid"]);
        }
    }
}
