//! Runs a program that makes files for the next boot out of settings.

use super::{Act, ActionError, World, succeed};
use crate::files::kept::{self, look};
use vmwright_model::Action;
use vmwright_model::plan::{Generator, Output};

/// See [`Action::Regenerate`].
pub(super) struct Regenerate<'a> {
    pub(super) generator: &'a Generator,
    pub(super) outputs: &'a [String],
    pub(super) holds: &'a [String],
}

impl Act for Regenerate<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let mut outputs = Vec::new();
        for path in self.outputs {
            kept::room_beside(path)?;
            outputs.push(Output { path: path.clone(), was: look(path)? });
        }
        Ok(Action::Restore { generator: self.generator.clone(), outputs, holds: self.holds.to_vec() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let Action::Restore { outputs, .. } = undo else { return Err(ActionError::OtherUndo) };
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        for output in outputs {
            kept::keep(world.state, output)?;
        }
        let (program, args) = command(self.generator, self.outputs);
        succeed(world, program, &args)?;
        // What the program made is known only now; the undo puts back no file that somebody made anew since.
        kept::note_after(world.state, undo, self.outputs)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        let program = command(self.generator, self.outputs).0;
        let not_made =
            |path: &str, why: String| Err(ActionError::NotMade { program, path: path.to_owned(), why });
        for path in self.outputs {
            match kept::length(path)? {
                None => return not_made(path, "is not there".to_owned()),
                Some(0) => return not_made(path, "is empty".to_owned()),
                Some(_) => {}
            }
        }
        let Some(first) = self.outputs.first().filter(|_| !self.holds.is_empty()) else { return Ok(()) };
        let text = crate::files::Content::read(first)?.text;
        match self.holds.iter().find(|wanted| !text.contains(wanted.as_str())) {
            None => Ok(()),
            Some(wanted) => not_made(first, format!("does not hold `{wanted}`")),
        }
    }
}

/// The program and its arguments. They are fixed, but for a version and paths that lint has looked at.
pub(super) fn command<'g>(generator: &'g Generator, outputs: &'g [String]) -> (&'static str, Vec<&'g str>) {
    let output = outputs.first().map_or("", String::as_str);
    match generator {
        Generator::UpdateGrub => ("update-grub", Vec::new()),
        Generator::GrubMkconfig => ("grub-mkconfig", vec!["-o", output]),
        Generator::Grub2Mkconfig => ("grub2-mkconfig", vec!["-o", output]),
        Generator::UpdateInitramfs { kernel } => ("update-initramfs", vec!["-u", "-k", kernel]),
        Generator::Dracut { kernel } => ("dracut", vec!["--force", output, kernel]),
        Generator::KernelInstall { kernel, image } => ("kernel-install", vec!["add", kernel, image]),
    }
}
