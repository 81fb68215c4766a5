use super::{Call, KEEPS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Intent, Operation, TuneFor};

pub(crate) const TOOL: Tool = Tool {
    name: "plan",
    title: "Make a plan",
    says: "A plan for what is wanted, kept in vmwright's state and carried out by nobody: settle the findings (fix), give \
           a PCI device to a VM (passthrough), make virtual functions (sriov), tune, harden. A person approves it with \
           'vmwright approve'.",
    hints: KEEPS,
    parameters: &[
        Parameter::required(
            "intent",
            Takes::Word(&["fix", "passthrough", "sriov", "tune", "harden"]),
            "what is wanted",
        ),
        Parameter::optional("vm", Takes::Text, "name of the VM"),
        Parameter::optional("device", Takes::Text, "PCI address, for passthrough and sriov"),
        Parameter::optional("at_boot", Takes::Flag, "passthrough: also after the next boot"),
        Parameter::optional("vfs", Takes::Number(1, 65_535), "sriov: how many"),
        Parameter::optional("for", Takes::Word(&["latency", "throughput", "density"]), "tune: for what"),
    ],
    gives: &[("id", "string"), ("plan", "object"), ("preview", "object")],
    own: false,
    call,
};

fn call(given: &Given, _: &Standing) -> Result<Call, String> {
    let needed = |name: &str| given.text(name).ok_or_else(|| format!("`{name}` is needed for this intent"));
    let vm = given.text("vm");
    let intent = match given.words("intent").as_str() {
        "fix" => Intent::Fix { vm },
        "harden" => Intent::Harden { vm },
        "passthrough" => Intent::Passthrough {
            vm: needed("vm")?,
            device: needed("device")?,
            at_boot: given.flag("at_boot"),
        },
        "sriov" => {
            let vfs = given.number("vfs").and_then(|vfs| u32::try_from(vfs).ok());
            Intent::Sriov { device: needed("device")?, vfs: vfs.ok_or("`vfs` is needed for this intent")? }
        }
        _ => {
            let goal = match needed("for")?.as_str() {
                "latency" => TuneFor::Latency,
                "throughput" => TuneFor::Throughput,
                _ => TuneFor::Density,
            };
            Intent::Tune { vm: needed("vm")?, goal }
        }
    };
    perform(Operation::Plan { intent })
}
