//! The words of vmwright as plain data.
//!
//! Every other crate speaks in these types. Nothing here reads, writes or decides: the machine is read in
//! `vmwright-host`, judged in `vmwright-rules`, changed in `vmwright-apply`.

pub mod analysis;
pub mod decision;
pub mod dossier;
pub mod exit;
pub mod finding;
pub mod gate;
pub mod grounds;
pub mod investigation;
pub mod journal;
pub mod machine;
pub mod meaning;
pub mod mode;
pub mod need;
pub mod plan;
pub mod run;
pub mod snapshot;
pub mod topology;
pub mod verdict;
pub mod view;

pub use analysis::{Analysis, Cause, HostIdentity, Unknown};
pub use decision::Decision;
pub use exit::Exit;
pub use finding::{
    Applicability, Disruption, Evidence, Finding, Fix, Level, Strength, Subject, SubjectKind, Support,
};
pub use gate::{
    Check, Control, ControlState, Depth, Framework, Gate, GateOutcome, Measurement, Review, Table,
};
pub use grounds::{Grounds, Passage, PassageLine, Piece};
pub use investigation::Investigation;
pub use journal::{Entry, EntryId, EntryState};
pub use machine::MachineSpec;
pub use meaning::Meaning;
pub use mode::{Agent, Mode};
pub use need::{Need, Probe};
pub use plan::{Action, Approval, Plan, Step};
pub use run::{RunEvent, RunState, StepState};
pub use snapshot::{Kind, Missing, Record, Snapshot};
pub use topology::Topology;
pub use verdict::Verdict;
pub use view::{Issue, Spanned};
