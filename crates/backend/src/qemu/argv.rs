//! QEMU's command line for a machine that this backend starts. The line itself is made in `vmwright_convert::qemu`;
//! here is decided what this backend cannot start, because a part of the machine would silently be missing.

use vmwright_convert::{Effect, Remark};
use vmwright_model::MachineSpec;

pub use vmwright_convert::qemu::{AGENT_PORT, Argument, ArgvError, Handles, mac, words};

/// Items that QEMU cannot say and need not: text for people, and what this backend does itself once QEMU runs.
const DONE_OTHERWISE: [&str; 4] = ["title", "description", "cpu.pinning", "limits"];

/// The command line of a machine, without the program.
///
/// # Errors
/// [`ArgvError`]; [`ArgvError::Beyond`] also where the line would say less than the specification.
pub fn argv(spec: &MachineSpec, handles: &Handles) -> Result<Vec<Argument>, ArgvError> {
    if spec.process.jailer == Some(true) {
        // Firecracker's alone. What is asked for against a guest is not left out in silence.
        return Err(ArgvError::Beyond("process.jailer".to_owned()));
    }
    let line = vmwright_convert::qemu::write(spec, handles)?;
    let missing =
        |remark: &&Remark| remark.effect == Effect::Lost && !DONE_OTHERWISE.contains(&remark.item.as_str());
    match line.remarks.iter().find(missing) {
        Some(remark) => Err(ArgvError::Beyond(remark.item.clone())),
        None => Ok(line.arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_would_lack_a_part_is_refused() {
        let mut spec = MachineSpec::named("a");
        spec.title = Some("for people".to_owned());
        assert!(argv(&spec, &Handles::to_show(&spec)).is_ok());
        spec.limits.cpu_weight = Some(50);
        assert!(argv(&spec, &Handles::to_show(&spec)).is_ok());
        spec.process.jailer = Some(true);
        let refused = argv(&spec, &Handles::to_show(&spec));
        assert_eq!(refused, Err(ArgvError::Beyond("process.jailer".to_owned())));
        spec.process.jailer = None;
        spec.lifecycle.on_crash = Some(vmwright_model::machine::Reaction::CoredumpDestroy);
        let refused = argv(&spec, &Handles::to_show(&spec));
        assert_eq!(refused, Err(ArgvError::Beyond("lifecycle.on_crash".to_owned())));
    }
}
