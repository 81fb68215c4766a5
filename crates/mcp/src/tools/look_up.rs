use super::{Call, READS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Ask, Operation};

pub(crate) const TOOL: Tool = Tool {
    name: "look_up",
    title: "Look up",
    says: "What a rule is about and how it is confirmed, refuted and fixed, or what an error code or message means (`rule`); \
           the list of rules (nothing, or `area`). With `look`: machines with their states (list); one with its \
           specification and command line (show), its snapshots or counters; what a specification may say (schema, example); \
           a description translated to another format (convert: toml, libvirt, qemu, firecracker, cloud-hypervisor).",
    hints: READS,
    parameters: &[
        Parameter::optional("rule", Takes::Text, "storage/image-locked, or 0x7B, or a message"),
        Parameter::optional("area", Takes::Text, "only rules of this area"),
        Parameter::optional(
            "look",
            Takes::Word(&["list", "show", "snapshots", "stats", "schema", "example", "convert"]),
            "",
        ),
        Parameter::optional("vm", Takes::Text, "for show, snapshots, stats"),
        Parameter::optional("text", Takes::Text, "for convert: the description"),
        Parameter::optional("from", Takes::Text, "for convert: its format; recognised where absent"),
        Parameter::optional("to", Takes::Text, "for convert: the format that is wanted"),
    ],
    gives: &[("rules", "array"), ("meanings", "array"), ("machines", "array"), ("differences", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let (rule, area) = (given.text("rule"), given.text("area"));
    let Some(look) = given.text("look") else {
        return match (rule, area) {
            (Some(rule), None) => perform(Operation::Explain { rule }),
            (None, area) => perform(Operation::Rules { area }),
            _ => Err("`rule` or `area`, not both".to_owned()),
        };
    };
    if rule.or(area).is_some() {
        return Err("`rule` and `area` do not go with `look`".to_owned());
    }
    // These talk to monitors and daemons, which a locked process cannot.
    if standing.read_only && matches!(look.as_str(), "list" | "show" | "snapshots" | "stats") {
        return Err("a read-only server asks no machine; `analyze` reads what is kept of them".to_owned());
    }
    let needed = |name: &str| given.text(name).ok_or_else(|| format!("`{name}` is needed for this"));
    match look.as_str() {
        "list" => perform(Operation::VmList),
        "show" => perform(Operation::VmShow { vm: needed("vm")? }),
        "snapshots" => perform(Operation::VmAsk { vm: needed("vm")?, ask: Ask::Snapshots }),
        "stats" => perform(Operation::VmAsk { vm: needed("vm")?, ask: Ask::Stats { watch: None } }),
        "schema" => perform(Operation::VmSchema { example: false }),
        "example" => perform(Operation::VmSchema { example: true }),
        _ => {
            let (text, to) = (needed("text")?, needed("to")?);
            let operation = Operation::Convert { file: "-".into(), from: given.text("from"), to };
            Ok(Call::PerformWith(operation, text.into_bytes()))
        }
    }
}
