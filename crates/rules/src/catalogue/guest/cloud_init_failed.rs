//! # cloud-init found no data source or failed
//!
//! ## What it is
//! Cloud images have no password, key or network of their own: cloud-init takes them from a data source (a seed
//! ISO labelled `cidata`, a config drive, SMBIOS, a metadata service). Without it, or with data it cannot read,
//! nobody can log in.
//!
//! Heard as: the cloud image boots to a login but neither password nor ssh key is accepted; host name not set;
//! user-data ignored.
//!
//! Known by: cannot log in, user and ssh key not made; hostname stays localhost; seed ISO ignored, NoCloud not found,
//! label cidata; no datasource found; user-data first line not #cloud-config.
//!
//! ## Why it happens
//! The seed ISO is not attached, has another label, or is empty; user-data does not begin with `#cloud-config`
//! or is broken YAML; `ds=nocloud` lacks in the SMBIOS serial; the metadata address is not reachable; the
//! instance id is the old one, so that nothing runs again; the datasource list excludes the one used.
//!
//! ## Confirm
//! In the guest `cloud-init status --long`, `/var/log/cloud-init.log`, `/run/cloud-init/ds-identify.log`,
//! `blkid -L cidata`; on the host `virsh domblklist NAME`, `isoinfo -d -i seed.iso | grep Volume`, `cloud-init
//! schema -c user-data`.
//!
//! ## Refute
//! `cloud-init status` says done with the data source expected and no errors; then the data asks for what was
//! got.
//!
//! ## Fix
//! Make the seed anew (`cloud-localds seed.iso user-data meta-data`, label cidata, all lower case files), with
//! a new instance-id, and attach it; mend the YAML; let the guest reach 169.254.169.254. After that `cloud-init
//! clean --logs` and restart.
//!
//! ## References
//! cloud-init documentation: "NoCloud", "Debugging cloud-init"; its `tools/ds-identify`,
//! `cloudinit/sources/DataSourceNoCloud.py`, `cloudinit/sources/__init__.py`; `virt-install(1)` --cloud-init.

use crate::prelude::*;
use vmwright_formats::DomainXml;

pub const RULE: Rule = Rule {
    tags: &["guest", "cloud-init"],
    signs: &[
        Sign::proof("No instance datasource found! Likely bad things to come"),
        Sign::strong("Did not find any data source, searched classes"),
        Sign::strong("No instance datasource found"),
        Sign::strong("Used fallback datasource"),
        Sign::strong("Datasource DataSourceNone"),
        Sign::strong("datasource: DataSourceNone"),
        Sign::strong("However, the datasource used was: None"),
        Sign::strong("DataSourceNone. Up"),
        Sign::support("DataSourceNone"),
        Sign::strong("No ds found [mode="),
        Sign::strong("cloud-init disabled by cloud-init-generator"),
        Sign::strong("Disabled cloud-init [1]"),
        Sign::support("has not been run").and(&["cloud-init status"]),
        Sign::strong("Failed loading yaml blob"),
        Sign::strong("Failed at merging in cloud config part"),
        Sign::strong("Invalid cloud-config provided"),
        Sign::strong("Cloud config schema errors"),
        Sign::strong("Unhandled non-multipart (text/x-not-multipart) userdata"),
        Sign::strong("Unhandled unknown content-type (text/x-not-multipart) userdata"),
        Sign::strong("Calling 'http://169.254.169.254/"),
        Sign::support("Calling 'http"),
        Sign::strong("Giving up on md from"),
        Sign::strong("giving up on OpenStack metadata"),
        Sign::strong("Getting data from <class 'cloudinit.sources*failed"),
        Sign::strong("Failed to start Initial cloud-init job"),
        Sign::strong("Failed to start cloud-init"),
        Sign::strong("Failed to start Apply the settings specified in cloud-config"),
        Sign::strong("Failed to start Execute cloud user/final scripts"),
        Sign::strong("cloud-init.service: Failed with result"),
        Sign::strong("cloud-init-local.service: Failed with result"),
        Sign::strong("cloud-final.service: Failed with result"),
        Sign::strong("cloud-config.service: Failed with result"),
        Sign::strong("failed run of stage"),
        Sign::strong("Running module {name} (<module 'cloudinit"),
        Sign::strong("Failed to run module scripts"),
        Sign::strong("cc_scripts_user.py[WARNING]"),
        Sign::support("cloud-init[*[ERROR]"),
        Sign::support("util.py[WARNING]: Failed"),
        Sign::support("util.py[WARNING]"),
        Sign::strong("userdata exceeds"),
        Sign::strong("should have no more than 2048 bytes"),
        Sign::strong("must be less than or equal to 2048").and(&["cloudInit"]),
        Sign::strong("status: error").and(&["cloud-init"]),
        Sign::strong("status: disabled").and(&["cloud-init"]),
        Sign::support("no cidata"),
        Sign::support("Login incorrect").and(&["cloud-init"]),
        Sign::hint("cloud-init"),
        Sign::support("DataSourceNone")
            .said(&["password", "ssh key", "host name", "hostname", "login"])
            .or_near(),
        Sign::strong("- type: physical").and(&["version: 2"]),
        Sign::strong("Exiting without datasource"),
        Sign::strong("no cloud init disk found"),
        Sign::strong("Unhandled non-multipart"),
        Sign::strong("Failed to rename devices"),
        Sign::strong("network config is of an unexpected"),
        Sign::strong("cloud-init ISO").and(&["failed"]),
    ],
    words: &["cloud-init", "user-data", "cloud image", "metadata", "seed", "password", "ssh key", "cidata"],
    explains: &["network/guest-address-missing"],
    tells: "cloud-init status --long and /var/log/cloud-init.log in the guest",
    remedy: "attach a seed labelled cidata with valid user-data and a new instance-id, or make the metadata service reachable",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Parts of the names under which distributions publish cloud images.
const IMAGES: [&str; 5] = ["cloudimg", "genericcloud", "generic-cloud", "cloud-base", "nocloud"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let asked = cx.asked(&["cloud-init", "cloud image", "password", "user-data", "ssh key"]);
    for seen in cx.all::<DomainXml>().iter().filter(|_| asked) {
        for domain in seen.domains.iter().filter(|domain| !domain.fragment) {
            let image = domain.devices.disks.iter().find_map(|disk| {
                disk.source.as_ref().filter(|source| {
                    let name = source.value.to_ascii_lowercase();
                    IMAGES.iter().any(|part| name.contains(part))
                })
            });
            // A seed is a second disk; SMBIOS can name one on the network.
            let seed = domain.devices.disks.iter().filter(|disk| disk.source.is_some()).count() > 1;
            if let Some(image) = image.filter(|_| !seed && !seen.has_element("sysinfo")) {
                draft = draft.because(
                    Strength::Support,
                    seen.quote(image.line),
                    "a cloud image, and no seed beside it",
                );
            }
        }
    }
    vec![draft.verdict()]
}
