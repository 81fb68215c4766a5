use super::{Call, KEEPS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Capture, Operation};

pub(crate) const TOOL: Tool = Tool {
    name: "capture",
    title: "Capture",
    says: "Keep what an analysis reads in one archive below vmwright's state, without secrets; `analyze` reads it by \
           `from`.",
    hints: KEEPS,
    parameters: &[
        Parameter::optional("vm", Takes::Text, "the VM whose records belong to it"),
        Parameter::optional("host", Takes::Text, "another host: ssh://user@host:port"),
        Parameter::optional("anonymize", Takes::Flag, "other names and addresses"),
        Parameter::optional("dry_run", Takes::Flag, "list what would be read"),
    ],
    gives: &[("path", "untrusted"), ("bytes", "integer"), ("unread", "array"), ("redacted", "object")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let dry_run = given.flag("dry_run");
    let output = if dry_run { None } else { Some(standing.new_capture()?) };
    perform(Operation::Capture(Capture {
        output,
        host: given.text("host"),
        vm: given.text("vm"),
        anonymize: given.flag("anonymize"),
        require_sandbox: standing.read_only,
        dry_run,
    }))
}
