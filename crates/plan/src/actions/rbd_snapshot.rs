//! A snapshot of an image in a Ceph pool.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;
use vmwright_model::plan::RbdSnapshot as State;

/// The longest name that `rbd` takes, in bytes (`RBD_MAX_IMAGE_NAME_SIZE` in Ceph's `src/include/rbd/librbd.h`).
const LONGEST: usize = 96;

/// See [`Action::RbdSnapshot`].
pub(super) struct RbdSnapshot<'a> {
    pub(super) image: &'a str,
    pub(super) snapshot: &'a str,
    pub(super) from: State,
    pub(super) to: State,
}

impl Facts for RbdSnapshot<'_> {
    fn target(&self) -> Target {
        Target::Snapshot(format!("{}@{}", self.image, self.snapshot))
    }

    fn words(&self) -> Words {
        let name = format!("{}@{}", self.image, self.snapshot);
        let told = |state: State| match state {
            State::Absent => format!("no snapshot {name}"),
            State::There => format!("snapshot {name}, which can be removed"),
            State::Protected => format!("snapshot {name}, protected from removal"),
        };
        let undone_by = match self.to {
            State::Absent => format!("makes {name} again, of the same content"),
            _ => format!("leaves {}, if nobody has made a clone of it or changed it", told(self.from)),
        };
        Words { expects: told(self.from), does: format!("leaves {}", told(self.to)), undone_by }
    }

    fn phase(&self) -> Phase {
        Phase::Stop
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::RbdSnapshot { to, .. } if *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        let parts: Vec<&str> = self.image.split('/').collect();
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| is_name(part)) {
            let image = quoted(self.image);
            faults.push(Fault::Value(format!("{image} is not an image in a pool: POOL/IMAGE")));
        }
        if !is_name(self.snapshot) {
            faults.push(Fault::Value(format!("{} is not the name of a snapshot", quoted(self.snapshot))));
        }
        faults
    }
}

/// Whether `rbd` reads it as one name: `@` and `/` part names there.
fn is_name(name: &str) -> bool {
    let wrong = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '@');
    (1..=LONGEST).contains(&name.len()) && !name.starts_with('-') && !name.contains(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rbd_would_read_as_something_else_is_refused() {
        let faults = |image: &str, snapshot: &str| {
            RbdSnapshot { image, snapshot, from: State::Absent, to: State::There }.faults().len()
        };
        assert_eq!((faults("vms/web", "before"), faults("vms/ns/web", "a.b-1")), (0, 0));
        for (image, snapshot) in
            [("web", "a"), ("vms/web@a", "b"), ("-p/web", "a"), ("vms/web", "a/b"), ("vms/web", "")]
        {
            assert_eq!(faults(image, snapshot), 1, "{image} {snapshot}");
        }
    }
}
