use super::{Call, KEEPS, Showing, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Analyze, Capture, Operation};

pub(crate) const TOOL: Tool = Tool {
    name: "analyze",
    title: "Analyze",
    says: "Find what is wrong with this host, a VM, or files from elsewhere. Reads only, in a process that the kernel \
           keeps from writing. Gives the causes, best first, each with confidence computed from quoted evidence. \
           Unknown is not pass. With `keep` it judges nothing, and keeps what it reads in an archive without secrets.",
    hints: KEEPS,
    parameters: &[
        Parameter::optional("complaint", Takes::Text, "what the user says, in their words"),
        Parameter::optional("vm", Takes::Text, "the VM that it is about"),
        Parameter::optional("from", Takes::Texts, "folders or archives to read instead of this host"),
        Parameter::optional("host", Takes::Text, "another host: ssh://user@host:port"),
        Parameter::optional("against", Takes::Text, "can the VM move to the host of this capture?"),
        Parameter::optional("select", Takes::Texts, "only these rules or areas"),
        Parameter::optional("ignore", Takes::Texts, "not these"),
        Parameter::optional("why", Takes::Text, "show how this rule came to its verdict"),
        Parameter::optional("dry_run", Takes::Flag, "list what would be read"),
        Parameter::optional(
            "detail",
            Takes::Word(&["causes", "all"]),
            "all: with topology, grounds, unknown rules",
        ),
        Parameter::optional(
            "keep",
            Takes::Word(&["archive", "anonymized"]),
            "for `from` later, here or elsewhere",
        ),
    ],
    gives: &[
        ("causes", "array"),
        ("next", "array"),
        ("unread", "array"),
        ("journal", "array"),
        ("sandbox", "object"),
    ],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    if let Some(how) = given.text("keep") {
        return capture(given, standing, how == "anonymized");
    }
    let what = Analyze {
        from: given.texts("from").into_iter().map(Into::into).collect(),
        only_one: true,
        host: given.text("host"),
        against: given.text("against").map(Into::into),
        vm: given.text("vm"),
        complaint: given.words("complaint"),
        select: given.texts("select"),
        ignore: given.texts("ignore"),
        config: None,
        require_sandbox: standing.read_only,
        dry_run: given.flag("dry_run"),
        why: given.text("why"),
    };
    let showing = if given.words("detail") == "all" { Showing::All } else { Showing::Causes };
    Ok(Call::Perform(vec![Operation::Analyze(what)], showing))
}

/// What is read, kept below vmwright's state.
fn capture(given: &Given, standing: &Standing, anonymize: bool) -> Result<Call, String> {
    let others = ["against", "why", "detail"].iter().filter(|name| given.text(name).is_some());
    let lists = ["from", "select", "ignore"].iter().filter(|name| !given.texts(name).is_empty());
    if let Some(name) = others.chain(lists).next() {
        return Err(format!("`keep` judges nothing: `{name}` does not go with it"));
    }
    let dry_run = given.flag("dry_run");
    let output = if dry_run { None } else { Some(standing.new_capture()?) };
    perform(Operation::Capture(Capture {
        output,
        host: given.text("host"),
        vm: given.text("vm"),
        anonymize,
        require_sandbox: standing.read_only,
        dry_run,
    }))
}
