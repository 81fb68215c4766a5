use super::{CHANGES, Call, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Ask, MigrateOver, MigrateTo, Operation};

const DOES: &[&str] = &[
    "create",
    "start",
    "stop",
    "delete",
    "receive",
    "pause",
    "resume",
    "exec",
    "copy-in",
    "copy-out",
    "snapshot",
    "restore",
    "clone",
    "attach-disk",
    "attach-network",
    "detach",
    "resize-disk",
    "resize-memory",
    "resize-cpus",
    "limit",
    "metadata",
    "migrate",
    "trace",
    "screenshot",
];

/// Seconds that a program may take, and a guest to let go of a device, as the command has them.
const EXEC_LIMIT: u64 = 60;
const DETACH_PATIENCE: u64 = 30;

/// The longest that a trace goes on where nothing is said, in seconds: nobody can press Ctrl-C.
const TRACE_LIMIT: u64 = 10;

pub(crate) const TOOL: Tool = Tool {
    name: "use_machine",
    title: "Use a machine in scope",
    says: "Starts, stops, uses, changes or moves a machine in scope; the same as 'vmwright vm'. Files that come out of a \
           guest lie below vmwright's state.",
    hints: CHANGES,
    parameters: &[
        Parameter::required(
            "vm",
            Takes::Text,
            "a machine in scope; for create the name in its specification",
        ),
        Parameter::required("do", Takes::Word(DOES), "what"),
        Parameter::optional("name", Takes::Text, "of the snapshot, clone or device"),
        Parameter::optional(
            "path",
            Takes::Text,
            "in the guest for copies; specification for create; image for attach-disk",
        ),
        Parameter::optional("text", Takes::Text, "copy-in: the content; metadata: new JSON"),
        Parameter::optional("merge", Takes::Flag, "metadata: merge it"),
        Parameter::optional("program", Takes::Text, "exec"),
        Parameter::optional("arguments", Takes::Texts, "exec"),
        Parameter::optional("backend", Takes::Text, "create"),
        Parameter::optional("format", Takes::Word(&["raw", "qcow2"]), "attach-disk"),
        Parameter::optional("readonly", Takes::Flag, "attach-disk"),
        Parameter::optional("bridge", Takes::Text, "attach-network"),
        Parameter::optional("mac", Takes::Text, "attach-network"),
        Parameter::optional("disk", Takes::Text, "resize-disk, limit: number or name"),
        Parameter::optional("network", Takes::Number(0, 255), "limit: number"),
        Parameter::optional("bytes", Takes::Text, "limit: 10MiB a second, 0 for none"),
        Parameter::optional("operations", Takes::Number(0, 1_000_000_000), "limit: a second"),
        Parameter::optional("size", Takes::Text, "resize-disk, resize-memory: 20GiB"),
        Parameter::optional("cpus", Takes::Number(1, 4096), "resize-cpus"),
        Parameter::optional("events", Takes::Texts, "trace"),
        Parameter::optional(
            "seconds",
            Takes::Number(1, 3600),
            "how long exec, detach or trace may take, or receive waits",
        ),
        Parameter::optional("force", Takes::Flag, "stop at once"),
        Parameter::optional("to", Takes::Text, "migrate: tcp:host:port, unix:/path, file:/path, libvirt:URI"),
        Parameter::optional("from", Takes::Text, "receive: the same"),
        Parameter::optional("connections", Takes::Number(1, 255), ""),
        Parameter::optional("compress", Takes::Word(&["zstd", "zlib"]), ""),
        Parameter::optional("post_copy", Takes::Flag, ""),
        Parameter::optional("tls", Takes::Text, ""),
        Parameter::optional("tls_name", Takes::Text, ""),
        Parameter::optional("auto_converge", Takes::Flag, ""),
        Parameter::optional("bandwidth", Takes::Text, ""),
        Parameter::optional("downtime", Takes::Number(1, 2_000_000), "milliseconds"),
        Parameter::optional("go_on", Takes::Flag, "migrate: a lost post-copy"),
    ],
    gives: &[("state", "string"), ("came", "string")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let does = given.words("do");
    let needed = |name: &str| given.text(name).ok_or_else(|| format!("`{name}` is needed for {does}"));
    let vm = given.words("vm");
    if does == "create" {
        // It adds a stopped machine to vmwright's state, and is used only where it is in scope.
        return perform(Operation::VmCreate { spec: needed("path")?.into(), backend: given.text("backend") });
    }
    let vm = standing.in_scope(&vm)?;
    for name in [Some(vm.clone()), given.text("name").filter(|_| does == "clone")].into_iter().flatten() {
        if !standing.allows(&name) {
            return Err("the server was not started with that machine among its --machines".to_owned());
        }
    }
    let seconds = given.number("seconds");
    let ask = match does.as_str() {
        "start" => return perform(Operation::VmStart { vm }),
        "stop" => return perform(Operation::VmStop { vm, force: given.flag("force") }),
        "delete" => return perform(Operation::VmDelete { vm }),
        "receive" => {
            let from = needed("from")?;
            return perform(Operation::VmReceive { vm, from, over: over(given), within: seconds });
        }
        "pause" => Ask::Pause,
        "resume" => Ask::Resume,
        "exec" => Ask::Exec {
            program: needed("program")?,
            arguments: given.texts("arguments"),
            stdin: false,
            limit: seconds.unwrap_or(EXEC_LIMIT),
        },
        "copy-in" => Ask::CopyIn { from: standing.text_file(&needed("text")?)?, to: needed("path")? },
        "copy-out" => Ask::CopyOut { from: needed("path")?, to: standing.new_file(&vm, "copy")? },
        "screenshot" => Ask::Screenshot { to: standing.new_file(&vm, "png")?, ppm: false },
        "snapshot" => Ask::Snapshot { name: needed("name")? },
        "restore" => Ask::Restore { name: needed("name")? },
        "clone" => Ask::Clone { name: needed("name")? },
        "attach-disk" => Ask::AttachDisk {
            name: given.text("name").unwrap_or_else(|| "extra-disk".to_owned()),
            path: needed("path")?.into(),
            format: needed("format")?,
            readonly: given.flag("readonly"),
        },
        "attach-network" => Ask::AttachNetwork {
            name: given.text("name").unwrap_or_else(|| "extra-network".to_owned()),
            bridge: given.text("bridge"),
            mac: given.text("mac"),
        },
        "detach" => Ask::Detach { device: needed("name")?, patience: seconds.unwrap_or(DETACH_PATIENCE) },
        "resize-disk" => Ask::ResizeDisk { disk: needed("disk")?, size: needed("size")? },
        "resize-memory" => Ask::ResizeMemory { size: needed("size")? },
        "resize-cpus" => {
            let count = given.number("cpus").and_then(|count| u32::try_from(count).ok());
            Ask::ResizeCpus { count: count.ok_or("`cpus` is needed for resize-cpus")? }
        }
        "limit" => Ask::Limit {
            disk: given.text("disk"),
            network: given.number("network").and_then(|number| u32::try_from(number).ok()),
            bytes: given.text("bytes"),
            operations: given.number("operations"),
        },
        "metadata" => {
            let file = given.text("text").map(|text| standing.text_file(&text)).transpose()?;
            Ask::Metadata { file, merge: given.flag("merge") }
        }
        "migrate" => Ask::Migrate(MigrateTo {
            to: needed("to")?,
            channel: over(given),
            auto_converge: given.flag("auto_converge"),
            bandwidth: given.text("bandwidth"),
            downtime: given.number("downtime"),
            resume: given.flag("go_on"),
        }),
        _ => {
            let events = given.texts("events");
            if events.is_empty() {
                return Err("`events` is needed for trace".to_owned());
            }
            Ask::Trace { events, seconds: Some(seconds.unwrap_or(TRACE_LIMIT)) }
        }
    };
    perform(Operation::VmAsk { vm, ask })
}

fn over(given: &Given) -> MigrateOver {
    MigrateOver {
        connections: given.number("connections").and_then(|count| u8::try_from(count).ok()),
        compress: given.text("compress"),
        post_copy: given.flag("post_copy"),
        tls: given.text("tls").map(Into::into),
        tls_name: given.text("tls_name"),
    }
}
