//! # No node carries the CPU model or feature label that the VM asks for
//!
//! ## What it is
//! KubeVirt's node labeller marks nodes with `cpu-model.node.kubevirt.io/<model>`, `cpu-feature.node.kubevirt.io/<name>`
//! and `host-model-cpu.node.kubevirt.io/<model>`. A VM with a CPU model, features, or host-model under migration gets
//! these as node selector; where no node has them it cannot be scheduled, or cannot migrate.
//!
//! Heard as: a VM stays Pending or cannot migrate since nodes were replaced; labels of CPU models or features.
//!
//! Known by: pod pending: node(s) didn't match node affinity/selector, cpu-model.node.kubevirt.io; host-model no
//! matching; migration target pod unschedulable; node-labeller.
//!
//! ## Why it happens
//! The nodes have other CPU generations; the model is in `obsoleteCPUModels`; the labeller does not run (annotation
//! `node-labeller.kubevirt.io/skip-node`, no KVM on the node); a microcode update took a feature (TSX) away; or the name
//! is misspelt.
//!
//! ## Confirm
//! `kubectl get nodes --show-labels | tr , '\n' | grep kubevirt.io`, against `kubectl get pod <virt-launcher> -o
//! jsonpath='{.spec.nodeSelector}'`.
//!
//! ## Refute
//! A schedulable node carries every label of the selector: then taints, volumes or resources decide.
//!
//! ## Fix
//! Ask for the least common model (`spec.configuration.cpuModel` cluster-wide), or make the labeller run on the nodes.
//!
//! ## References
//! KubeVirt user guide "Virtual hardware", CPU model and node labeller; `pkg/virt-handler/node-labeller/`,
//! `pkg/virt-controller/services/`.

use crate::prelude::*;

/// What people say of a VM that gets no node.
const WAITS: &[&str] = &["scheduling", "pending", "not scheduled", "never placed", "no node"];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kubevirt", "cpu"],
    signs: &[
        Sign::proof("t match Pod*s node affinity").and(&["cpu-model.node.kubevirt.io/{model}=true"]),
        Sign::strong("t match Pod*s node affinity").and(&["cpu-model.node.kubevirt.io/"]),
        Sign::strong("t match Pod*s node affinity").and(&["cpu-feature.node.kubevirt.io/"]),
        Sign::strong("t match Pod*s node affinity").and(&["host-model-cpu.node.kubevirt.io/"]),
        Sign::strong("t match Pod*s node affinity").and(&["cpu-model-migration.node.kubevirt.io/"]),
        Sign::strong("t match Pod*s node affinity").and(&["host-model-required-features.node.kubevirt.io/"]),
        Sign::strong("t match node selector").and(&["cpu-model.node.kubevirt.io/"]),
        Sign::strong("t match node selector").and(&["cpu-feature.node.kubevirt.io/"]),
        Sign::strong("t match node selector").and(&["host-model-cpu.node.kubevirt.io/"]),
        Sign::strong("cannot get nodes to migrate VMI with host-model CPU"),
        Sign::proof("does not allow migration with host-model"),
        Sign::proof("host-model cpu that is included in ObsoleteCPUModels"),
        Sign::strong("no node supports the requested CPU model"),
        Sign::support("HostModelIsNotMigratable"),
        Sign::support("cpu-model.node.kubevirt.io/").and(&["FailedScheduling"]),
        Sign::support("cpu-feature.node.kubevirt.io/").and(&["FailedScheduling"]),
        // Events and conditions of virt-controller, 0.40 to 1.8.
        Sign::proof("no node is suitable to run the required CPU model"),
        Sign::proof("NoSuitableNodesForHostModelMigration"),
        Sign::strong("CPUModeLiveMigratable"),
        Sign::strong("unable to locate host cpu model, does not contain label"),
        Sign::strong("node-labeller could not load host dom capabilities"),
        Sign::strong("node-labeller could not load supported features"),
        Sign::strong("host model mode is expected to contain"),
        Sign::support("no node with a frequency"),
        Sign::support("scheduling.node.kubevirt.io/tsc-frequency-").and(&["FailedScheduling"]),
        // What a complaint makes of a configuration.
        Sign::strong("cpu-model.node.kubevirt.io/{model}: \"true\"").said(WAITS).or_near(),
        Sign::support("cpu-feature.node.kubevirt.io/{model}: \"true\"").said(WAITS).or_near(),
        Sign::strong("Migration cannot proceed since no node is suitable to run the required CPU model"),
        Sign::strong("no node supports this model"),
        Sign::strong("host-model cpu mode is not supported for"),
    ],
    words: &["kubevirt", "cpu model", "host-model", "node selector", "cpu feature", "migrat"],
    explains: &["kubevirt/scheduling-conflict", "migration/cpu-incompatible"],
    tells: "kubectl get nodes --show-labels",
    remedy: "ask for a CPU model that the nodes have, or make the node labeller run on them",
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
