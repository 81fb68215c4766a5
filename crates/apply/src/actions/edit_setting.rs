//! Changes one setting in a file that people edit too.

use super::ActionError;
use super::edited::Edit;
use vmwright_formats::edits::{self, EditError};
use vmwright_model::plan::Setting;

/// See [`vmwright_model::Action::EditSetting`].
pub(super) struct EditSetting<'a> {
    pub(super) path: &'a str,
    pub(super) setting: &'a Setting,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
}

impl Edit for EditSetting<'_> {
    fn path(&self) -> &str {
        self.path
    }

    fn edited(&self, text: &str) -> Result<String, ActionError> {
        edits::set(text, self.setting, self.from, self.to).map_err(|error| self.error(error))
    }

    fn holds(&self, text: &str) -> Result<(), ActionError> {
        edits::set(text, self.setting, self.to, self.to).map(drop).map_err(|error| self.error(error))
    }
}

impl EditSetting<'_> {
    fn error(&self, error: EditError) -> ActionError {
        match error {
            EditError::Drift { setting, found, expected } => {
                ActionError::Drift { what: format!("{setting} in {}", self.path), expected, found }
            }
            source => ActionError::Setting { path: self.path.to_owned(), source },
        }
    }
}
