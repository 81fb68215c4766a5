//! What a complaint says of how things go: that they work, that it only asks, or that there is trouble.

use crate::prelude::*;

/// It works.
pub(super) const WORKS: &[&str] = &[
    "vm works",
    "vms work",
    "vm run",
    "vms run",
    "vms all run",
    "vms start and work",
    "vms are all running",
    "are all running",
    "guest works",
    "guests work",
    "guest runs",
    "guests run",
    "guest booted",
    "guest boots",
    "instance works",
    "instances work",
    "server works",
    "container runs",
    "containers run",
    "pods run",
    "share works",
    "disk works",
    "unlock work",
    "everything works",
    "everything runs",
    "all works",
    "all work",
    "it works",
    "still works",
    "still boots",
    "still runs",
    "keeps running",
    "but works",
    "otherwise works",
    "works anyway",
    "works as expected",
    "work as expected",
    "work as before",
    "works as before",
    "works fine",
    "work fine",
    "working fine",
    "works well",
    "runs fine",
    "run fine",
    "running fine",
    "boots fine",
    "starts fine",
    "all fine",
    "is fine",
    "works normally",
    "work normally",
    "runs normally",
    "running normally",
    "boots normally",
    "boots and works",
    "boots and runs",
    "starts and works",
    "all the same",
    "run with acceleration",
    "seems to work",
    "no problems",
    "no problem at all",
    "without problems",
    "without any problem",
    "no visible problem",
    "nothing ever crashed",
    "does not seem to",
];

/// It is there, which says nothing of how it does.
pub(super) const RUNS: &[&str] =
    &["is running", "are running", "vm runs", "and boots", "boots up", "boots to", "starts and"];

/// It only asks about a message.
pub(super) const ASKS: &[&str] = &[
    "is it safe",
    "safe to ignore",
    "harmless",
    "harmful",
    "benign",
    "can i ignore",
    "can be ignored",
    "should i ignore",
    "should i worry",
    "should i be concerned",
    "should we worry",
    "be worried",
    "worry about",
    "am concerned",
    "what does it mean",
    "what does this mean",
    "is this a problem",
    "is this normal",
    "is that normal",
    "is this expected",
    "expected behavior",
    "expected behaviour",
    "something is broken",
    "something broken",
    "is something wrong",
    "is something missing",
    "something wrong",
    "whether to act",
    "get rid of",
    "noise",
    "spam",
    "clutter",
    "log monitoring",
    "raises an alarm",
    "false alarm",
];

/// Something does not go as it should.
pub(super) const TROUBLE: &[&str] = &[
    "does not boot",
    "doesn't boot",
    "not start",
    "n't start",
    "not work",
    "n't work",
    "not respond",
    "unreachable",
    "cannot",
    "can't",
    "fails to",
    "it fails",
    "vm fails",
    "vms fail",
    "crashes",
    "it crashed",
    "vm crashed",
    "the guest hangs",
    "vm hangs",
    "hangs at",
    "freezes",
    "stutter",
    "black screen",
    "no network",
    "very slow",
    "is slow",
    "are slow",
    "refuses",
    "data loss",
    "corrupt",
];

/// How a complaint sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// It speaks of trouble.
    Troubled,
    /// It says nothing of how things go.
    Silent,
    /// The VM is there.
    Runs,
    /// It says that things work, or only asks what a message means.
    Calm,
    /// Both.
    Content,
}

/// How the complaint sounds.
pub(crate) fn mood(cx: &Context<'_>) -> Mood {
    let any = |words: &[&str]| words.iter().any(|word| cx.said(word));
    if any(TROUBLE) {
        return Mood::Troubled;
    }
    match (any(WORKS), any(ASKS)) {
        (true, true) => Mood::Content,
        (true, false) | (false, true) => Mood::Calm,
        (false, false) if any(RUNS) => Mood::Runs,
        (false, false) => Mood::Silent,
    }
}
