//! Faults as data.

use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// A fault, or a healthy host of which nothing may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `area/name`.
    pub(crate) name: String,
    /// What the user says; `{said}` in it stands for the error that broke it shows.
    pub(crate) complaint: String,
    /// The rule that names the cause; `healthy/no-fault` where there is none.
    pub(crate) cause: String,
    /// Rules that name further causes, where there are several.
    pub(crate) also: Vec<String>,
    /// The machine that the user speaks of.
    pub(crate) vm: Option<String>,
    /// How many nodes it takes, of which it is in the first one; one lab where absent.
    pub(crate) nodes: Option<u32>,
    /// Whether the host is restarted once it is broken.
    pub(crate) reboots: bool,
    /// Programs of this machine's PATH that it takes, such as a VMM that no package has. They are put into the lab.
    pub(crate) programs: Vec<String>,
    /// Whether CI runs it: one of the choice that is quick and covers the areas.
    pub(crate) ci: bool,
    /// Whether a plan can mend it; else it is for a person to decide.
    pub(crate) repairable: bool,
    /// Beginnings of facts that a repair may change.
    pub(crate) may_change: Vec<String>,
    /// What breaks it.
    pub(crate) breaks: String,
    /// What ends well where it works again.
    pub(crate) works: Option<String>,
}

impl Fault {
    /// Whether it is one of these areas, names or `area/name`; all are, of none.
    pub(crate) fn is_one_of(&self, only: &[String]) -> bool {
        let (area, name) = self.name.split_once('/').unwrap_or((&self.name, ""));
        only.is_empty() || only.iter().any(|one| *one == self.name || one == area || one == name)
    }

    /// Whether there is nothing to repair.
    pub(crate) fn is_healthy(&self) -> bool {
        self.cause == "healthy/no-fault"
    }
}

/// All faults of a folder, by name.
///
/// # Errors
/// Names the file that is wrong.
pub(crate) fn all(folder: &Path) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for area in folders(folder)? {
        for place in folders(&area)? {
            let name = place.strip_prefix(folder)?.to_string_lossy().into_owned();
            faults.push(read(&place, name).with_context(|| format!("{}", place.display()))?);
        }
    }
    faults.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(faults)
}

fn folders(place: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(place).with_context(|| format!("cannot read {}", place.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}

fn read(place: &Path, name: String) -> Result<Fault> {
    let text =
        |file: &str| fs::read_to_string(place.join(file)).with_context(|| format!("cannot read {file}"));
    let table: toml::Table = text("fault.toml")?.parse().context("fault.toml is no TOML")?;
    let mut fault = Fault {
        name,
        complaint: String::new(),
        cause: String::new(),
        also: Vec::new(),
        vm: None,
        nodes: None,
        reboots: false,
        programs: Vec::new(),
        ci: false,
        repairable: true,
        may_change: Vec::new(),
        breaks: text("break.sh")?,
        works: place.join("works.sh").is_file().then(|| text("works.sh")).transpose()?,
    };
    for (key, value) in &table {
        let word = || value.as_str().map(|text| text.trim().to_owned()).context("it is no text");
        let count =
            || value.as_integer().and_then(|count| u32::try_from(count).ok()).context("it is no number");
        let flag = || value.as_bool().context("it is neither true nor false");
        let list = || {
            let all = value.as_array().context("it is no list")?.iter();
            all.map(|one| one.as_str().map(str::to_owned).context("it is no list of texts"))
                .collect::<Result<Vec<String>>>()
        };
        let set = match key.as_str() {
            "complaint" => word().map(|text| fault.complaint = text),
            "cause" => word().map(|text| fault.cause = text),
            "vm" => word().map(|text| fault.vm = Some(text)),
            "nodes" => count().map(|count| fault.nodes = Some(count)),
            "reboots" => flag().map(|yes| fault.reboots = yes),
            "ci" => flag().map(|yes| fault.ci = yes),
            "repairable" => flag().map(|yes| fault.repairable = yes),
            "programs" => list().map(|list| fault.programs = list),
            "also" => list().map(|list| fault.also = list),
            "may_change" => list().map(|list| fault.may_change = list),
            _ => bail!("fault.toml has no key `{key}`"),
        };
        set.with_context(|| format!("fault.toml: `{key}`"))?;
    }
    ensure!(!fault.complaint.is_empty(), "fault.toml has no complaint");
    ensure!(fault.cause.contains('/'), "fault.toml names no cause, `area/problem`");
    ensure!(fault.nodes.is_none_or(|count| (2..=8).contains(&count)), "`nodes` is not 2 to 8");
    ensure!(
        fault.works.is_some() || fault.is_healthy() || !fault.repairable,
        "a fault that can be repaired has a works.sh"
    );
    Ok(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(toml: &str, works: bool) -> Result<Vec<Fault>> {
        let place = tempfile::tempdir().unwrap();
        let fault = place.path().join("kvm/gone");
        fs::create_dir_all(&fault).unwrap();
        fs::write(fault.join("fault.toml"), toml).unwrap();
        fs::write(fault.join("break.sh"), "true\n").unwrap();
        if works {
            fs::write(fault.join("works.sh"), "true\n").unwrap();
        }
        all(place.path())
    }

    #[test]
    fn a_fault_is_read_and_chosen() {
        let text =
            "complaint = \"it is gone\"\ncause = \"kvm/device-missing\"\nmay_change = [\"module kvm\"]\n";
        let fault = written(text, true).unwrap().remove(0);
        assert_eq!((fault.name.as_str(), fault.repairable, fault.reboots), ("kvm/gone", true, false));
        for one in ["kvm", "gone", "kvm/gone"] {
            assert!(fault.is_one_of(&[one.to_owned()]), "{one}");
        }
        assert!(fault.is_one_of(&[]) && !fault.is_one_of(&["vfio".to_owned()]));
    }

    #[test]
    fn what_is_wrong_with_one_is_told() {
        for (text, works, told) in [
            ("cause = \"a/b\"\n", true, "no complaint"),
            ("complaint = \"x\"\ncause = \"a\"\n", true, "names no cause"),
            ("complaint = \"x\"\ncause = \"a/b\"\n", false, "has a works.sh"),
            ("complaint = \"x\"\ncause = \"a/b\"\ncuase = \"\"\n", true, "no key `cuase`"),
            ("complaint = 3\n", true, "it is no text"),
            ("complaint = \"x\"\ncause = \"a/b\"\nnodes = 1\n", true, "`nodes` is not 2 to 8"),
        ] {
            let error = format!("{:#}", written(text, works).unwrap_err());
            assert!(error.contains(told) && error.contains("kvm/gone"), "{error}");
        }
    }
}
