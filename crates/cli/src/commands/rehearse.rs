use std::path::PathBuf;
use vmwright_engine::{Operation, Rehearse};

/// Carry a plan out in a lab that is made like this host, restarts and all, and tell what would happen.
///
/// The lab is a throw-away host in a VM ('vmwright lab --help'). It is put into the state that the plan's steps expect; then
/// this very program carries the plan out there, with an approval that is good for that lab alone. It is told of each step
/// whether it was done; of the lab, whether it comes up, whether it is reached from outside, and what fails in it. A plan that
/// would leave the host unbootable or unreachable is told so. What cannot be tried in a lab is told as not rehearsed, and
/// never counts as passed.
///
/// What `/etc/vmwright/rehearsal` names, `disruption LEVEL` or `vm NAME` a line, is neither approved nor applied before its
/// rehearsal has passed; a line `partly` lets plans through of which a part could not be tried.
///
/// Exit status: 0 passed, 3 partly or not tried, 5 failed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    plan: String,
    /// A capture of the host, where the plan is for another one: the lab is made like that.
    #[arg(long, value_name = "CAPTURE")]
    like: Option<PathBuf>,
    /// Leave the lab up, for a look.
    #[arg(long)]
    keep: bool,
    /// Where Debian's packages come from, where the lab's image has to be made [default: what mmdebstrap takes].
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        let Args { plan, like, keep, mirror } = self;
        Operation::Rehearse(Rehearse { plan, like, keep, mirror })
    }
}
