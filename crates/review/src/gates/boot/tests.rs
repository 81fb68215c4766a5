use super::*;
use crate::wait::Answered;
use std::time::Duration;
use vmwright_model::GateOutcome;

const LOG: &str = "\x1bc\x1b[?7l\x1b[2JSeaBIOS (version 1.16.3-debian-1.16.3-2)\r\n\
    Probing EDD\x1bc\x1b[2J[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org)\r\n\
    [    1.900000] Run /init as init process\r\n\
    vmwright-guest: init 2.000\r\n\
    vmwright-guest: devices 2.300\r\n\
    vmwright-guest: agent 2.400\r\n";

fn spec(accelerator: Accelerator) -> MachineSpec {
    MachineSpec { accelerator, ..crate::gates::tests_support::spec() }
}

/// A VM under TCG that came up: power-on to kernel took 0.8 s.
fn up() -> Observed {
    Observed {
        waited: Waited {
            asked: "agent",
            accelerator: Ok(Accelerator::Tcg),
            agent: Ok(Answered { came_up: Some(3.3) }),
            hopeless: None,
            waited: Duration::from_secs(3),
            cut_short: false,
        },
        serial: Ok(LOG.to_owned()),
        status: Ok("running".to_owned()),
        clock: Some((10.8, 10.0)),
        services: Vec::new(),
    }
}

fn why(judged: &Judged) -> &str {
    match &judged.outcome {
        GateOutcome::Fail(why) | GateOutcome::Unknown(why) | GateOutcome::NotApplicable(why) => why,
        GateOutcome::Pass => "passed",
    }
}

#[test]
fn a_good_boot_passes_with_its_times() {
    let judged = judge(&up(), &spec(Accelerator::Tcg));
    assert_eq!(judged.outcome, GateOutcome::Pass, "{}", why(&judged));
    let figures: Vec<String> = judged.measurements.iter().map(|m| format!("{} {:.1} {}", m.name, m.value, m.unit)).collect();
    assert_eq!(
        figures,
        ["power-on to kernel 0.8 s", "kernel to init 2.0 s", "init to agent 0.4 s", "power-on to agent 3.2 s"]
    );
    assert!(judged.evidence.iter().any(|line| line == "query-kvm: the VM runs under tcg"));
    assert!(judged.evidence.iter().any(|line| line.starts_with("serial console: [    0.000000] Linux version 6.1.0")));
    assert!(judged.evidence.iter().any(|line| line.starts_with("serial console: SeaBIOS (version")));
}

#[test]
fn tcg_in_place_of_kvm_is_no_secret() {
    let judged = judge(&up(), &spec(Accelerator::Kvm));
    assert_eq!(judged.outcome, GateOutcome::Fail("runs under tcg, the specification says kvm".to_owned()));
}

#[test]
fn a_panic_names_the_stage_and_shows_the_last_lines() {
    let mut seen = up();
    let log = "[    0.0] Linux version 6.1\n[    1.0] VFS: Cannot open root device\n[    1.1] Kernel panic - not syncing: VFS\n";
    seen.serial = Ok(log.to_owned());
    seen.waited.agent = Err("the guest's agent does not answer: closed".to_owned());
    seen.waited.hopeless = dead_end(log).map(str::to_owned);
    let judged = judge(&seen, &spec(Accelerator::Tcg));
    assert!(why(&judged).starts_with("stopped after kernel: ") && why(&judged).contains("not syncing: VFS"), "{}", why(&judged));
    assert!(judged.evidence.iter().any(|line| line.contains("Cannot open root device")));
    assert_eq!(judged.tables[0].rows[2], ["init", "not measured", "not seen"]);
}

#[test]
fn a_boot_loader_is_a_stage_where_it_shows_itself() {
    let mut seen = up();
    let table = |seen: &Observed| judge(seen, &spec(Accelerator::Tcg)).tables[0].rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(table(&seen), ["firmware", "kernel", "init", "agent"]);
    seen.serial = Ok(LOG.replace("Probing EDD", "GRUB loading.\r\nWelcome to GRUB!\r\n\r\nProbing EDD"));
    assert_eq!(table(&seen), ["firmware", "boot loader", "kernel", "init", "agent"]);
    assert_eq!(judge(&seen, &spec(Accelerator::Tcg)).outcome, GateOutcome::Pass);
    // It finds nothing to start.
    let stuck = "GRUB loading.\r\nWelcome to GRUB!\r\n\r\nerror: no such partition.\r\ngrub rescue> ";
    seen.serial = Ok(stuck.to_owned());
    seen.waited.agent = Err("silent".to_owned());
    seen.waited.hopeless = dead_end(stuck).map(str::to_owned);
    let judged = judge(&seen, &spec(Accelerator::Tcg));
    assert_eq!(why(&judged), "stopped after boot loader: grub rescue>");
    assert!(judged.evidence.iter().any(|line| line == "serial console: error: no such partition."), "{:?}", judged.evidence);
}

#[test]
fn an_init_that_cannot_be_executed_is_not_reached_and_the_cause_is_shown() {
    let mut log = "[    0.0] Linux version 6.1\n[    1.0] Run /init as init process\n\
        [    1.1] Failed to execute /init (error -8)\n[    1.1] Run /bin/sh as init process\n[    1.2] Kernel panic - not syncing: No working init found.\n"
        .to_owned();
    log.extend((0..50).map(|number| format!("[    1.3] trace {number}\n")));
    let mut seen = up();
    seen.waited.agent = Err("the guest's agent does not answer: closed".to_owned());
    seen.waited.hopeless = dead_end(&log).map(str::to_owned);
    seen.serial = Ok(log);
    let judged = judge(&seen, &spec(Accelerator::Tcg));
    assert!(why(&judged).starts_with("stopped after kernel: "), "{}", why(&judged));
    assert!(judged.evidence.iter().any(|line| line.contains("Failed to execute /init (error -8)")), "{judged:?}");
    assert!(!judged.evidence.iter().any(|line| line.contains("trace")));
}

#[test]
fn too_slow_fails_under_kvm_and_not_under_tcg() {
    let mut seen = up();
    seen.clock = Some((60.0, 10.0));
    assert_eq!(judge(&seen, &spec(Accelerator::Tcg)).outcome, GateOutcome::Pass);
    seen.waited.accelerator = Ok(Accelerator::Kvm);
    let judged = judge(&seen, &spec(Accelerator::Kvm));
    assert!(why(&judged).contains("kernel came after 50.0 s, the limit under kvm is 15 s"), "{}", why(&judged));
}

#[test]
fn a_silent_agent_fails_after_the_limit_and_is_unknown_before() {
    let mut seen = up();
    seen.serial = Ok("[    0.0] Linux version 6.1\n[    2.0] Run /init as init process\n".to_owned());
    seen.waited.agent = Err("the guest's agent does not answer: time ran out".to_owned());
    seen.waited.waited = Duration::from_secs(300);
    let judged = judge(&seen, &spec(Accelerator::Tcg));
    assert_eq!(judged.outcome, GateOutcome::Fail("stopped after init: the agent does not answer within 300.0 s".to_owned()));
    seen.waited.waited = Duration::from_secs(5);
    seen.waited.cut_short = true;
    let judged = judge(&seen, &spec(Accelerator::Tcg));
    assert!(matches!(&judged.outcome, GateOutcome::Unknown(why) if why.contains("only 5.0 s of the limit of 300 s")), "{judged:?}");
}

#[test]
fn a_guest_without_agent_is_judged_by_its_console_or_not_at_all() {
    let mut spec = spec(Accelerator::Tcg);
    spec.agent = false;
    let mut seen = up();
    seen.waited.agent = Err("the specification says that the guest runs no agent".to_owned());
    seen.clock = None;
    let judged = judge(&seen, &spec);
    assert_eq!((judged.outcome, judged.measurements.len()), (GateOutcome::Pass, 0));
    seen.serial = Ok(String::new());
    assert!(matches!(judge(&seen, &spec).outcome, GateOutcome::Unknown(_)));
}

#[test]
fn an_accelerator_that_nobody_names_is_unknown() {
    let mut seen = up();
    seen.waited.accelerator = Err("query-kvm: broken pipe".to_owned());
    assert!(matches!(judge(&seen, &spec(Accelerator::Tcg)).outcome, GateOutcome::Unknown(_)));
}

#[test]
fn systemd_guests_and_guests_that_rebooted() {
    let log = "[    0.0] Linux version 5.10\n[    9.0] Kernel panic - not syncing\n\
        [    0.0] Linux version 6.1\n[    4.5] systemd[1]: systemd 252 running in system mode\n";
    let console = Console::read(log);
    assert_eq!(console.boots, 2);
    assert_eq!(console.init.and_then(|(_, time)| time), Some(4.5));
    assert_eq!(dead_end(log), None, "the panic is of an earlier boot");
    let mut seen = up();
    seen.serial = Ok(log.to_owned());
    let judged = judge(&seen, &spec(Accelerator::Tcg));
    // How long the last boot took cannot be told from the age of the VMM; when the agent came up was seen.
    assert_eq!(judged.measurements.len(), 1, "{:?}", judged.measurements);
    assert_eq!(judged.measurements[0].name, TOTAL);
}

#[test]
fn numbers_that_a_guest_makes_up_do_no_harm() {
    for line in ["vmwright-guest: init NaN", "vmwright-guest: init -1", "vmwright-guest: init inf", "vmwright-guest: init 1e999"] {
        assert_eq!(probe_time(line, "init"), None, "{line}");
    }
    assert_eq!(kernel_time("[inf] x"), None);
    assert_eq!(kernel_time("[ 12.5] x"), Some(12.5));
}

#[test]
fn what_the_specification_demands_of_the_boot() {
    let mut demanding = spec(Accelerator::Tcg);
    demanding.review.boot_ms = Some(60_000);
    assert_eq!(judge(&up(), &demanding).outcome, GateOutcome::Pass);
    demanding.review.boot_ms = Some(1);
    assert!(why(&judge(&up(), &demanding)).contains("the specification demands 0.0 s at most"));
    let mut seen = up();
    seen.services = vec![("sshd.service".to_owned(), Ok("active".to_owned()))];
    assert_eq!(judge(&seen, &spec(Accelerator::Tcg)).outcome, GateOutcome::Pass);
    seen.services.push(("nginx.service".to_owned(), Ok("failed".to_owned())));
    assert_eq!(why(&judge(&seen, &spec(Accelerator::Tcg))), "nginx.service is failed");
    seen.services[1].1 = Err("no systemctl".to_owned());
    assert!(matches!(judge(&seen, &spec(Accelerator::Tcg)).outcome, GateOutcome::Unknown(_)));
}
