//! Kernel modules, as `/proc/modules` and sysfs tell them and modprobe(8) changes them.

use super::value::Value;
use super::{ActionError, World};

/// The line of a module in `/proc/modules`: name, size, users, their names (proc(5)).
fn line(world: &World<'_>, module: &str) -> Result<Option<String>, ActionError> {
    let loaded = world.system.read("/proc/modules").map_err(|source| ActionError::Io {
        path: "/proc/modules".to_owned(),
        what: "read",
        source,
    })?;
    // The kernel writes dashes in names as underscores.
    let name = module.replace('-', "_");
    let own = |line: &&str| line.split(' ').next() == Some(name.as_str());
    Ok(loaded.lines().find(own).map(str::to_owned))
}

/// That a module is loaded, or is not.
pub(super) fn must_be(world: &World<'_>, module: &str, loaded: bool) -> Result<(), ActionError> {
    let found = line(world, module)?.is_some();
    if found == loaded {
        return Ok(());
    }
    let word = |loaded| if loaded { "loaded" } else { "not loaded" }.to_owned();
    Err(ActionError::Drift { what: format!("module {module}"), expected: word(loaded), found: word(found) })
}

/// What uses a module: `0`, or a number and the names of other modules.
pub(super) fn users(world: &World<'_>, module: &str) -> Result<String, ActionError> {
    let line = line(world, module)?.unwrap_or_default();
    let mut words = line.split(' ').skip(2);
    let (count, names) = (words.next().unwrap_or("0"), words.next().unwrap_or("-"));
    Ok(if names == "-" { count.to_owned() } else { format!("{count} ({})", names.trim_end_matches(',')) })
}

/// That a loaded module has these parameters, as far as it shows them.
pub(super) fn must_have(world: &World<'_>, module: &str, parameters: &[String]) -> Result<(), ActionError> {
    for (name, wanted) in parameters.iter().filter_map(|parameter| parameter.split_once('=')) {
        let path = format!("/sys/module/{}/parameters/{name}", module.replace('-', "_"));
        let value = Value { path: &path, name: path.clone() };
        let found = match value.read(world) {
            Ok(found) => found,
            // Parameters with mode 0 are not shown.
            Err(ActionError::Gone(_)) => continue,
            Err(error) => return Err(error),
        };
        if flag(&found) != flag(wanted) {
            return Err(ActionError::Drift { what: path, expected: wanted.to_owned(), found });
        }
    }
    Ok(())
}

/// Switches are written in many ways and shown as `Y` and `N` (kernel, `param_get_bool`).
fn flag(value: &str) -> &str {
    match value {
        "Y" | "y" | "1" | "on" => "1",
        "N" | "n" | "0" | "off" => "0",
        other => other,
    }
}

/// Runs modprobe.
pub(super) fn modprobe(world: &World<'_>, args: &[&str]) -> Result<(), ActionError> {
    super::succeed(world, "modprobe", args).map(drop)
}
