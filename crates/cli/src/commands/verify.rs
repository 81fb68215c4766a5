use vmwright_engine::Operation;

/// Check that the files of a review are those that somebody signed who may.
///
/// Each file is held against the manifest beside it, and the manifest's signature against `allowed_signers` in the
/// configuration's folder (ALLOWED SIGNERS in ssh-keygen(1)); a key that may sign reviews alone has
/// `namespaces="review@vmwright"` there.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of a review (`web-2026-01-31T091500Z`), or the path of one of its files.
    review: String,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Verify { review: self.review }
    }
}
