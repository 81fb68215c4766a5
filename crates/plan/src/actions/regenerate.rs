//! Files that programs make for the next boot.

use super::{Facts, Fault, Phase, quoted};
use crate::canonical::is_sha256;
use crate::describe::Words;
use crate::path::path_faults;
use crate::target::Target;
use vmwright_model::plan::{Generator, Output};
use vmwright_model::{Action, Disruption};

/// The most files that one program is known to write: kernel, initramfs, microcode and entry, and some room.
const MOST: usize = 16;

/// See [`Action::Regenerate`].
pub(super) struct Regenerate<'a> {
    pub(super) generator: &'a Generator,
    pub(super) outputs: &'a [String],
    pub(super) holds: &'a [String],
}

impl Facts for Regenerate<'_> {
    fn target(&self) -> Target {
        made(self.outputs.first())
    }

    fn words(&self) -> Words {
        let outputs = self.outputs.join(", ");
        let holds = self.holds.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
        let holding = if holds.is_empty() { String::new() } else { format!(", which holds {holds} then") };
        Words {
            expects: format!("{outputs} absent or regular files, and room for new ones"),
            does: format!("runs {} to make {outputs} anew{holding}", command(self.generator, self.outputs)),
            undone_by: format!("puts {outputs} back byte for byte, if they are as this step left them"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Generated
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::Restore { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = faults(self.generator, self.outputs.iter().map(String::as_str));
        let printable = |text: &String| {
            (1..=256).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        };
        faults.extend(
            self.holds.iter().filter(|text| !printable(text)).map(|text| {
                Fault::Value(format!("{} is not a text of 1 to 256 printable bytes", quoted(text)))
            }),
        );
        faults
    }
}

/// See [`Action::Restore`].
pub(super) struct Restore<'a> {
    pub(super) generator: &'a Generator,
    pub(super) outputs: &'a [Output],
    pub(super) holds: &'a [String],
}

impl Facts for Restore<'_> {
    fn target(&self) -> Target {
        made(self.outputs.first().map(|output| &output.path))
    }

    fn words(&self) -> Words {
        let paths: Vec<String> = self.outputs.iter().map(|output| output.path.clone()).collect();
        let outputs = paths.join(", ");
        Words {
            expects: format!("{outputs} as the program made them"),
            does: format!("puts {outputs} back byte for byte"),
            undone_by: format!(
                "runs {} again{}",
                command(self.generator, &paths),
                match self.holds {
                    [] => String::new(),
                    holds => format!(", so that it holds {}", holds.join(", ")),
                }
            ),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Generated
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::Regenerate { .. })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = faults(self.generator, self.outputs.iter().map(|output| output.path.as_str()));
        for kept in self.outputs.iter().filter_map(|output| output.was.as_ref()) {
            if !is_sha256(&kept.sha256) {
                faults.push(Fault::Value(format!("{} is not a SHA-256", quoted(&kept.sha256))));
            }
            if kept.mode > 0o7777 {
                faults.push(Fault::Value(format!("{:o} is not a file mode of at most 7777", kept.mode)));
            }
        }
        faults
    }

    fn least_disruption(&self) -> Disruption {
        Disruption::None
    }
}

/// What is changed: the file that the program is run for.
fn made(first: Option<&String>) -> Target {
    Target::Content { path: first.cloned().unwrap_or_default(), key: None }
}

/// The program with its arguments, for a reader.
fn command(generator: &Generator, outputs: &[String]) -> String {
    let output = outputs.first().map_or("", String::as_str);
    match generator {
        Generator::UpdateGrub => "update-grub".to_owned(),
        Generator::GrubMkconfig => format!("grub-mkconfig -o {output}"),
        Generator::Grub2Mkconfig => format!("grub2-mkconfig -o {output}"),
        Generator::UpdateInitramfs { kernel } => format!("update-initramfs -u -k {kernel}"),
        Generator::Dracut { kernel } => format!("dracut --force {output} {kernel}"),
        Generator::KernelInstall { kernel, image } => format!("kernel-install add {kernel} {image}"),
    }
}

fn faults<'o>(generator: &Generator, outputs: impl Iterator<Item = &'o str>) -> Vec<Fault> {
    let outputs: Vec<&str> = outputs.collect();
    let mut faults = Vec::new();
    if outputs.is_empty() || outputs.len() > MOST {
        faults.push(Fault::Value(format!("{} files are not 1 to {MOST}", outputs.len())));
    }
    let mut sorted = outputs.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != outputs.len() {
        faults.push(Fault::Value("a file stands twice among those that are made".to_owned()));
    }
    faults.extend(outputs.iter().filter_map(|path| path_faults(path)));
    if let Generator::KernelInstall { image, .. } = generator {
        faults.extend(path_faults(image));
    }
    if let Generator::UpdateInitramfs { kernel }
    | Generator::Dracut { kernel }
    | Generator::KernelInstall { kernel, .. } = generator
    {
        // A release that could be an option or a path would be taken as one.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-~".contains(&byte);
        let good = (1..=128).contains(&kernel.len())
            && kernel.starts_with(|c: char| c.is_ascii_digit())
            && kernel.bytes().all(fits);
        if !good {
            faults.push(Fault::Value(format!("{} is not the version of a kernel", quoted(kernel))));
        }
    }
    faults
}
