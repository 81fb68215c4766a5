use super::{Call, READS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Ask, Operation};

pub(crate) const TOOL: Tool = Tool {
    name: "machines",
    title: "Look at machines",
    says: "Machines with their states (list); one with its specification and command line (show), its snapshots or \
           counters; what a specification may say (schema, example); a description translated to another format \
           (convert: toml, libvirt, qemu, firecracker, cloud-hypervisor).",
    hints: READS,
    parameters: &[
        Parameter::required(
            "look",
            Takes::Word(&["list", "show", "snapshots", "stats", "schema", "example", "convert"]),
            "at what",
        ),
        Parameter::optional("vm", Takes::Text, "for show, snapshots, stats"),
        Parameter::optional("text", Takes::Text, "for convert: the description"),
        Parameter::optional("from", Takes::Text, "for convert: its format; recognised where absent"),
        Parameter::optional("to", Takes::Text, "for convert: the format that is wanted"),
    ],
    gives: &[("machines", "array"), ("differences", "array")],
    own: false,
    call,
};

fn call(given: &Given, _: &Standing) -> Result<Call, String> {
    let needed = |name: &str| given.text(name).ok_or_else(|| format!("`{name}` is needed for this"));
    match given.words("look").as_str() {
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
