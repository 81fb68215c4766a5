use super::{CHANGES, Call, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{HOST_REVIEWS, Operation, Reviewing, THIS_HOST};
use vmwright_model::Depth;

pub(crate) const TOOL: Tool = Tool {
    name: "review",
    title: "Review a VM or this host",
    says: "Boots a VM in scope where it does not run, exercises and measures it, and reports gate by gate; or looks at \
           what this host holds its guests with, and changes nothing. Not tested is not passed.",
    hints: CHANGES,
    parameters: &[
        Parameter::required(
            "vm",
            Takes::Text,
            "a VM in scope, vmwright's or a domain of libvirt's; localhost for this host",
        ),
        Parameter::optional(
            "gates",
            Takes::Texts,
            "only these: boot, network, devices, cpu-flaws, isolation, secure-boot, vtpm, confidential, known-flaws, \
             utilisation, performance, guest-to-guest, migration, save-restore, disks, hot-plug, fips; of localhost cpu-flaws, isolation, \
             known-flaws, utilisation, fips",
        ),
        Parameter::optional(
            "depth",
            Takes::Word(&["quick", "usual", "full"]),
            "quick: seconds; full: also loads the guest and stops it for moments",
        ),
        Parameter::optional(
            "frameworks",
            Takes::Texts,
            "sort evidence by fips-140, pci-dss, cis, nist-800-125",
        ),
        Parameter::optional(
            "baseline",
            Takes::Text,
            "an earlier review to compare with: its name, or `last`",
        ),
        Parameter::optional("verify", Takes::Text, "review nothing; check this review's files and signature"),
    ],
    gives: &[("verdict", "string"), ("review", "object"), ("html", "untrusted")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let vm = standing.in_scope(&given.words("vm"))?;
    if let Some(review) = given.text("verify") {
        let of_host = vm == THIS_HOST && review.starts_with(&format!("{HOST_REVIEWS}-"));
        if review.contains('/') || !(of_host || review.starts_with(&format!("{vm}-"))) {
            return Err(
                "`verify` is the name of a review of what `vm` names that vmwright has kept".to_owned()
            );
        }
        return perform(Operation::Verify { review });
    }
    let depth = match given.words("depth").as_str() {
        "quick" => Depth::Quick,
        "full" => Depth::Full,
        _ => Depth::Usual,
    };
    let baseline = given.text("baseline");
    if baseline.as_ref().is_some_and(|name| name.contains('/')) {
        return Err("`baseline` is the name of a review that vmwright has kept, not a path".to_owned());
    }
    let (gates, frameworks) = (given.texts("gates"), given.texts("frameworks"));
    perform(Operation::Review(Reviewing { vm, gates, depth, frameworks, baseline, guest: None, key: None }))
}
