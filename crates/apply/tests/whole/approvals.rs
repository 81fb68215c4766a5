//! Approvals with real keys: what is let through, and each way to be refused.

use crate::common::{ANYTHING, Approver, HOST, Host, chmod, keygen};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use vmwright_apply::approval::{SSH_KEYGEN, approval_path, sign_with, signature_path, verify_with};
use vmwright_apply::trust::Untrusted;
use vmwright_apply::{Approved, Ask, Refused, Seat, SignError, ToolError, verify};
use vmwright_model::{Approval, Disruption, Plan};
use vmwright_plan::{canonical, disruption, parse, plan_id};

/// A host, a plan, and its approval.
struct Case {
    host: Host,
    plan: Plan,
    id: String,
}

impl Case {
    fn new() -> Self {
        let host = Host::new();
        let plan = host.plan();
        host.approver.approve(&plan);
        let id = plan_id(&plan);
        Self { host, plan, id }
    }

    fn approver(&self) -> &Approver {
        &self.host.approver
    }

    fn file(&self) -> PathBuf {
        approval_path(&self.approver().state, &self.id).expect("an id")
    }

    fn signers(&self) -> PathBuf {
        self.approver().config.join("allowed_signers")
    }

    fn ask(&self) -> Ask<'_> {
        Ask { plan: &self.id, host_id: HOST, disruption: disruption(&self.plan), now: 1_000, two: false }
    }

    fn verify(&self, ask: &Ask<'_>) -> Result<Approved, Refused> {
        verify(ask, &self.approver().state, &self.approver().config)
    }

    fn refused(&self) -> Refused {
        self.verify(&self.ask()).expect_err("it must be refused")
    }

    /// Signs an approval that is changed first.
    fn sign(&self, change: impl FnOnce(&mut Approval)) -> PathBuf {
        let mut approval = self.approver().approval(&self.plan);
        change(&mut approval);
        sign_with(&approval, Seat::First, &self.approver().key, &self.approver().state, Path::new(SSH_KEYGEN))
            .expect("signed")
    }

    /// Signs any bytes as the approval of the plan.
    fn sign_raw(&self, bytes: &[u8], namespace: &str, key: &Path) {
        let file = self.file();
        std::fs::write(&file, bytes).expect("written");
        let signature = signature_path(&file);
        let _ = std::fs::remove_file(&signature);
        let signed = Command::new(SSH_KEYGEN)
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(key)
            .arg(&file)
            .output()
            .expect("run");
        assert!(signed.status.success());
    }
}

#[test]
fn an_approval_by_an_allowed_key_is_let_through() {
    let case = Case::new();
    let approved = case.verify(&case.ask()).expect("approved");
    assert_eq!(approved.approval(), &case.approver().approval(&case.plan));
    assert_eq!(std::fs::read(case.file()).expect("read"), canonical(approved.approval()));
    // Nothing of the signing is left beside it.
    let left = std::fs::read_dir(case.file().parent().expect("a directory")).expect("listed").count();
    assert_eq!(left, 2);
}

#[test]
fn nothing_signed_is_no_approval() {
    let case = Case::new();
    std::fs::remove_file(signature_path(&case.file())).expect("removed");
    assert!(matches!(case.refused(), Refused::NoSignature(id) if id == case.id));
    std::fs::remove_file(case.file()).expect("removed");
    assert!(matches!(case.refused(), Refused::NoApproval(id) if id == case.id));
    let bad = Ask { plan: "../../etc/passwd", ..case.ask() };
    assert!(matches!(case.verify(&bad), Err(Refused::NoApproval(_))), "an id is no path");
    std::fs::remove_file(case.signers()).expect("removed");
    std::fs::write(case.file(), "{}").expect("written");
    std::fs::write(signature_path(&case.file()), "").expect("written");
    assert!(matches!(case.refused(), Refused::NoSigners(_)));
}

#[test]
fn the_approval_of_another_plan_host_time_or_disruption_is_refused() {
    let case = Case::new();
    // Another plan's approval, put in this plan's place.
    let other = case.sign(|approval| approval.plan = "0".repeat(64));
    std::fs::copy(&other, case.file()).expect("copied");
    std::fs::copy(signature_path(&other), signature_path(&case.file())).expect("copied");
    assert!(matches!(case.refused(), Refused::OtherPlan(plan) if plan == "0".repeat(64)));

    case.sign(|approval| approval.host_id = "host-2".into());
    assert_eq!(case.refused().to_string(), "the approval is for host `host-2`, and this is `host-1`");

    case.sign(|approval| approval.expires = 1_000);
    assert!(matches!(case.refused(), Refused::Expired { expires: 1_000, now: 1_000 }));
    assert!(case.verify(&Ask { now: 999, ..case.ask() }).is_ok());

    case.sign(|approval| approval.ceiling = Disruption::GuestPause);
    assert_eq!(
        case.refused().to_string(),
        "the approval allows disruption `guest-pause`, and the plan disturbs `guest-restart`"
    );
    case.sign(|approval| approval.ceiling = ANYTHING);
    assert!(case.verify(&case.ask()).is_ok());
}

#[test]
fn a_signature_by_another_key_name_or_purpose_is_refused() {
    let case = Case::new();
    let bytes = canonical(&case.approver().approval(&case.plan));
    let stranger = case.host.dir.path().join("stranger");
    keygen(&stranger);
    case.sign_raw(&bytes, "approval@vmwright", &stranger);
    assert!(matches!(case.refused(), Refused::UnknownSigner(_)));

    case.sign(|approval| approval.principal = "bob@example".into());
    assert!(matches!(case.refused(), Refused::WrongPrincipal(principal) if principal == "bob@example"));

    case.sign_raw(&bytes, "file", &case.approver().key);
    assert!(matches!(case.refused(), Refused::BadSignature(why) if why.contains("namespace")));

    // A key that the list allows for something else only.
    case.sign_raw(&bytes, "approval@vmwright", &case.approver().key);
    assert!(case.verify(&case.ask()).is_ok());
    let list = std::fs::read_to_string(case.signers()).expect("read");
    std::fs::write(case.signers(), list.replace("ana@example ", "ana@example namespaces=\"git\" "))
        .expect("written");
    assert!(matches!(case.refused(), Refused::WrongPrincipal(_) | Refused::UnknownSigner(_)));
}

#[test]
fn what_is_signed_must_be_an_approval_in_canonical_form() {
    let case = Case::new();
    let approval = case.approver().approval(&case.plan);
    let key = case.approver().key.clone();
    let pretty = serde_json::to_vec_pretty(&approval).expect("JSON");
    case.sign_raw(&pretty, "approval@vmwright", &key);
    assert!(matches!(case.refused(), Refused::Malformed { why, .. } if why.contains("canonical")));
    case.sign_raw(b"yes, do it", "approval@vmwright", &key);
    assert!(matches!(case.refused(), Refused::Malformed { .. }));
    let newer = String::from_utf8(canonical(&approval)).expect("UTF-8").replace("approval/1", "approval/2");
    case.sign_raw(newer.as_bytes(), "approval@vmwright", &key);
    assert!(matches!(case.refused(), Refused::Schema(schema) if schema == "vmwright.approval/2"));
    let more = newer.replace("approval/2", "approval/1").replacen('{', "{\"also\":1,", 1);
    case.sign_raw(more.as_bytes(), "approval@vmwright", &key);
    assert!(matches!(case.refused(), Refused::Malformed { why, .. } if why.contains("unknown field")));
}

#[test]
fn a_list_of_signers_that_others_may_write_to_allows_nobody() {
    let case = Case::new();
    chmod(&case.signers(), 0o664);
    let refused = case.refused();
    assert!(matches!(&refused, Refused::LaxSigners(Untrusted::Writable { mode: 0o664, .. })), "{refused}");
    chmod(&case.signers(), 0o646);
    assert!(matches!(case.refused(), Refused::LaxSigners(Untrusted::Writable { .. })));
    chmod(&case.signers(), 0o644);
    chmod(&case.approver().config, 0o775);
    assert!(matches!(case.refused(), Refused::LaxSigners(Untrusted::Writable { mode: 0o775, .. })));
    chmod(&case.approver().config, 0o755);
    assert!(case.verify(&case.ask()).is_ok());
    // A link could be turned to another list by whoever owns its directory's entry.
    std::fs::rename(case.signers(), case.approver().config.join("real")).expect("renamed");
    std::os::unix::fs::symlink("real", case.signers()).expect("linked");
    assert!(matches!(case.refused(), Refused::LaxSigners(Untrusted::Link(_))));
    std::fs::remove_file(case.signers()).expect("removed");
    std::fs::rename(case.approver().config.join("real"), case.signers()).expect("renamed");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(case.signers(), Some(12_345), None).expect("root may");
        assert!(matches!(case.refused(), Refused::LaxSigners(Untrusted::Owner { owner: 12_345, .. })));
    } else {
        eprintln!("SKIPPED the list of another owner: giving a file away needs root");
    }
}

#[test]
fn things_that_are_no_files_or_too_large_are_refused_at_once() {
    let case = Case::new();
    let signature = signature_path(&case.file());
    std::fs::remove_file(&signature).expect("removed");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &signature, fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .expect("made");
    assert!(matches!(case.refused(), Refused::Read { .. }));
    std::fs::remove_file(&signature).expect("removed");
    std::fs::File::create(&signature).and_then(|file| file.set_len(2 << 30)).expect("made");
    assert!(matches!(case.refused(), Refused::Read { .. }));
}

#[test]
fn without_ssh_keygen_nothing_is_verified_or_signed() {
    let case = Case::new();
    let none = Path::new("/nonexistent/ssh-keygen");
    let refused = verify_with(&case.ask(), &case.approver().state, &case.approver().config, none);
    assert!(matches!(refused, Err(Refused::Tool(ToolError::Run { .. }))));
    let approval = case.approver().approval(&case.plan);
    let signed = sign_with(&approval, Seat::First, &case.approver().key, &case.approver().state, none);
    assert!(matches!(signed, Err(SignError::Io { what: "run", .. })));
    // One that always says yes is not asked for nothing, and one that says no is believed.
    let no =
        verify_with(&case.ask(), &case.approver().state, &case.approver().config, Path::new("/bin/false"));
    assert!(no.is_err());
}

#[test]
fn an_approval_that_cannot_be_one_is_not_signed() {
    let case = Case::new();
    let good = case.approver().approval(&case.plan);
    let sign = |approval: &Approval, key: &Path| {
        sign_with(approval, Seat::First, key, &case.approver().state, Path::new(SSH_KEYGEN))
            .expect_err("it cannot be signed")
    };
    let key = &case.approver().key;
    for principal in ["", "a b", "a,b", "*", "-x", "a\nb"] {
        assert!(matches!(
            sign(&Approval { principal: principal.into(), ..good.clone() }, key),
            SignError::Wrong(_)
        ));
    }
    assert!(matches!(sign(&Approval { plan: "../x".into(), ..good.clone() }, key), SignError::Wrong(_)));
    assert!(matches!(sign(&Approval { schema: "x".into(), ..good.clone() }, key), SignError::Wrong(_)));
    let before = std::fs::read(case.file()).expect("read");
    assert!(matches!(sign(&good, Path::new("/nonexistent")), SignError::NotSigned { .. }));
    assert_eq!(std::fs::read(case.file()).expect("read"), before, "the earlier approval stands");
    assert!(case.verify(&case.ask()).is_ok());
}

#[test]
fn one_changed_byte_anywhere_is_refused() {
    let case = Case::new();
    let plan_bytes = canonical(&case.plan);
    let file = case.file();
    let signature = signature_path(&file);
    let (approval, signed) = (std::fs::read(&file).expect("read"), std::fs::read(&signature).expect("read"));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let change = |bytes: &[u8], at: prop::sample::Index, to: u8| {
        let mut changed = bytes.to_vec();
        changed[at.index(bytes.len())] = to;
        changed
    };
    runner
        .run(&(0..3_usize, any::<prop::sample::Index>(), any::<u8>()), |(which, at, to)| {
            match which {
                0 => {
                    let changed = change(&plan_bytes, at, to);
                    prop_assume!(changed != plan_bytes);
                    if let Ok((_, id)) = parse(&changed) {
                        let ask = Ask { plan: &id, ..case.ask() };
                        prop_assert!(matches!(case.verify(&ask), Err(Refused::NoApproval(_))));
                    }
                }
                1 => {
                    let changed = change(&approval, at, to);
                    prop_assume!(changed != approval);
                    std::fs::write(&file, &changed).expect("written");
                    let refused = case.verify(&case.ask()).map_err(|refused| refused.to_string());
                    std::fs::write(&file, &approval).expect("written");
                    prop_assert!(refused.is_err());
                }
                _ => {
                    let changed = change(&signed, at, to);
                    prop_assume!(changed != signed);
                    std::fs::write(&signature, &changed).expect("written");
                    let refused = case.verify(&case.ask()).map_err(|refused| refused.to_string());
                    std::fs::write(&signature, &signed).expect("written");
                    prop_assert!(refused.is_err());
                }
            }
            Ok(())
        })
        .expect("every change is refused");
    assert!(case.verify(&case.ask()).is_ok(), "unchanged it is let through");
}

#[test]
fn two_mixed_approvals_do_not_fit() {
    let case = Case::new();
    let first = std::fs::read(signature_path(&case.file())).expect("read");
    case.sign(|approval| approval.expires -= 1);
    std::fs::write(signature_path(&case.file()), first).expect("written");
    assert!(matches!(case.refused(), Refused::BadSignature(_)));
}

#[test]
fn where_two_have_to_approve_one_person_does_not_pass_for_two() {
    let case = Case::new();
    let both = Ask { two: true, ..case.ask() };
    let refused = case.verify(&both).expect_err("one is not two");
    assert!(matches!(&refused, Refused::NoSecond { first, .. } if first == "ana@example"), "{refused}");
    let second = |principal: &str, key: &Path| {
        let approval = Approval { principal: principal.into(), ..case.approver().approval(&case.plan) };
        sign_with(&approval, Seat::Second, key, &case.approver().state, Path::new(SSH_KEYGEN))
            .expect("signed");
        case.verify(&both)
    };
    // The same person again.
    let again = second("ana@example", &case.approver().key).expect_err("it is the same person");
    assert!(matches!(again, Refused::OnePerson { .. }), "{again}");
    // The same key under another name.
    let list = std::fs::read_to_string(case.signers()).expect("read");
    let other = case.host.dir.path().join("bob");
    let public = keygen(&other);
    let mine = list.replace("ana@example ", "bob@example ");
    std::fs::write(case.signers(), format!("{list}{mine}bob@example {public}")).expect("written");
    let again = second("bob@example", &case.approver().key).expect_err("it is the same key");
    assert!(again.to_string().contains("by one key"), "{again}");
    // A key that nobody allows.
    let stranger = case.host.dir.path().join("stranger");
    keygen(&stranger);
    assert!(matches!(second("bob@example", &stranger), Err(Refused::UnknownSigner(_))));
    let approved = second("bob@example", &other).expect("they are two");
    assert_eq!(approved.by(), "ana@example and bob@example");
    // Each of both has to cover the plan.
    let late = Ask { now: i64::MAX, ..both };
    assert!(matches!(case.verify(&late), Err(Refused::Expired { .. })));
    // The first one's approval does not do for the second's, however it is copied.
    let file =
        vmwright_apply::approval::seat_path(&case.approver().state, &case.id, Seat::Second).expect("an id");
    std::fs::copy(case.file(), &file).expect("copied");
    std::fs::copy(signature_path(&case.file()), signature_path(&file)).expect("copied");
    assert!(matches!(case.verify(&both), Err(Refused::OnePerson { .. })));
}

/// Has the CA at `ca` certify a key, and gives the certificate's path.
fn certified(ca: &Path, key: &Path, principal: &str) -> PathBuf {
    let done = Command::new(SSH_KEYGEN)
        .args(["-q", "-I", principal, "-n", principal, "-s"])
        .arg(ca)
        .arg(key.with_extension("pub"))
        .output()
        .expect("run");
    assert!(done.status.success(), "{done:?}");
    let made = PathBuf::from(format!("{}-cert.pub", key.display()));
    let kept = PathBuf::from(format!("{}-{principal}-cert.pub", key.display()));
    std::fs::rename(&made, &kept).expect("made");
    // ssh-keygen finds the private key by the certificate's name.
    std::fs::copy(key, format!("{}-{principal}", key.display())).expect("copied");
    kept
}

#[test]
fn a_key_that_an_allowed_ca_has_signed_is_let_through_and_is_one_key_in_every_certificate() {
    let case = Case::new();
    let place = |name: &str| case.host.dir.path().join(name);
    let (ca, stranger) = (place("ca"), place("other-ca"));
    let (public, _) = (keygen(&ca), keygen(&stranger));
    let list = std::fs::read_to_string(case.signers()).expect("read");
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let own = place(kind);
        let made = Command::new(SSH_KEYGEN).args(["-q", "-t", kind, "-N", "", "-f"]).arg(&own).status();
        assert!(made.expect("run").success());
        // Nobody has listed the key itself.
        let by_ca = format!("*@ca cert-authority,namespaces=\"approval@vmwright\" {public}");
        std::fs::write(case.signers(), format!("{list}{by_ca}")).expect("written");
        let sign = |seat: Seat, key: &Path, principal: &str| {
            let approval = Approval { principal: principal.into(), ..case.approver().approval(&case.plan) };
            sign_with(&approval, seat, key, &case.approver().state, Path::new(SSH_KEYGEN)).expect("signed");
        };
        let bob = certified(&ca, &own, "bob@ca");
        sign(Seat::First, &bob, "bob@ca");
        assert_eq!(case.verify(&case.ask()).expect("by the CA").by(), "bob@ca", "{kind}");
        // Under another name than the CA's, without a certificate, and by a CA that nobody allows.
        sign(Seat::First, &bob, "eve@ca");
        assert!(case.verify(&case.ask()).is_err());
        sign(Seat::First, &own, "bob@ca");
        assert!(case.verify(&case.ask()).is_err());
        sign(Seat::First, &certified(&stranger, &own, "bob@ca"), "bob@ca");
        assert!(case.verify(&case.ask()).is_err());
        // The same key with a certificate of another name, and without any, is no second person.
        let two = Ask { two: true, ..case.ask() };
        sign(Seat::First, &certified(&ca, &own, "bob@ca"), "bob@ca");
        sign(Seat::Second, &certified(&ca, &own, "eve@ca"), "eve@ca");
        let refused = case.verify(&two).expect_err("it is one key");
        assert!(refused.to_string().contains("by one key"), "{kind}: {refused}");
        let plain = std::fs::read_to_string(own.with_extension("pub")).expect("made");
        std::fs::write(case.signers(), format!("{list}{by_ca}carl@example {plain}")).expect("written");
        sign(Seat::Second, &own, "carl@example");
        let refused = case.verify(&two).expect_err("it is one key");
        assert!(refused.to_string().contains("by one key"), "{kind}: {refused}");
        // Another key is.
        sign(Seat::Second, &case.approver().key, "ana@example");
        assert_eq!(case.verify(&two).expect("they are two").by(), "bob@ca and ana@example", "{kind}");
    }
}

/// A FIDO authenticator of software, from OpenSSH's own tests (regress/misc/sk-dummy).
const TOKEN: &str = "usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so";

#[test]
fn a_key_on_a_fido_token_approves_where_the_token_was_touched() {
    let unpacked = std::env::var("VMWRIGHT_TEST_PROGRAMS").unwrap_or_default();
    let Some(token) =
        ["/", &unpacked].map(|root| Path::new(root).join(TOKEN)).into_iter().find(|it| it.is_file())
    else {
        eprintln!("SKIPPED a_key_on_a_fido_token_approves_where_the_token_was_touched: no {TOKEN}");
        return;
    };
    let case = Case::new();
    let place = |name: &str| case.host.dir.path().join(name);
    // What a user has in the environment of a login.
    let keygen_of_token = place("ssh-keygen");
    let script = format!("#!/bin/sh\nSSH_SK_PROVIDER={} exec {SSH_KEYGEN} \"$@\"\n", token.display());
    std::fs::write(&keygen_of_token, script).expect("written");
    chmod(&keygen_of_token, 0o755);
    let make = |name: &str, kind: &str, more: &[&str]| {
        let made = Command::new(&keygen_of_token)
            .args(["-q", "-N", "", "-t", kind])
            .args(more)
            .arg("-f")
            .arg(place(name))
            .output()
            .expect("run");
        assert!(made.status.success(), "{made:?}");
        std::fs::read_to_string(place(name).with_extension("pub")).expect("made")
    };
    let sign = |seat: Seat, key: &Path, principal: &str| {
        let approval = Approval { principal: principal.into(), ..case.approver().approval(&case.plan) };
        sign_with(&approval, seat, key, &case.approver().state, &keygen_of_token).expect("signed");
    };
    let list = std::fs::read_to_string(case.signers()).expect("read");
    let ca = keygen(&place("ca"));
    for kind in ["ed25519-sk", "ecdsa-sk"] {
        let public = make(kind, kind, &[]);
        std::fs::write(case.signers(), format!("{list}bob@example {public}")).expect("written");
        sign(Seat::First, &place(kind), "bob@example");
        assert_eq!(case.verify(&case.ask()).expect("touched").by(), "bob@example", "{kind}");
        // A key that signs without anybody's finger is no person, though the list has it.
        let untouched = format!("{kind}-untouched");
        let public = make(&untouched, kind, &["-O", "no-touch-required"]);
        std::fs::write(case.signers(), format!("{list}bob@example {public}")).expect("written");
        sign(Seat::First, &place(&untouched), "bob@example");
        let refused = case.verify(&case.ask()).expect_err("nobody touched it");
        assert!(matches!(&refused, Refused::Untouched(by) if by == "bob@example"), "{kind}: {refused}");
        // In certificates of two names it is one key.
        std::fs::write(case.signers(), format!("{list}*@ca cert-authority {ca}")).expect("written");
        sign(Seat::First, &certified(&place("ca"), &place(kind), "bob@ca"), "bob@ca");
        assert_eq!(case.verify(&case.ask()).expect("by the CA").by(), "bob@ca", "{kind}");
        sign(Seat::Second, &certified(&place("ca"), &place(kind), "eve@ca"), "eve@ca");
        let refused = case.verify(&Ask { two: true, ..case.ask() }).expect_err("it is one key");
        assert!(refused.to_string().contains("by one key"), "{kind}: {refused}");
    }
}
