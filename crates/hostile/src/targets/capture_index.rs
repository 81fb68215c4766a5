//! The index of a capture, made up by somebody, beside two texts.

use super::archive;

pub(super) fn run(bytes: &[u8]) {
    let packed = archive::tar(&[
        ("vmwright-x/vmwright.json", bytes),
        ("vmwright-x/proc/cmdline", b"root=/dev/vda1\n"),
        ("vmwright-x/etc/group", b"kvm:x:100:\n"),
    ]);
    archive::run(&packed);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let index = |sources: &str| {
        format!(
            "{{\"schema\":\"vmwright.capture/1\",\"tool\":\"\",\"taken\":\"\",\"host_id\":\"\",\"vm\":null,\
             \"redacted\":{{}},\"anonymized\":false,\"sources\":[{sources}]}}"
        )
        .into_bytes()
    };
    vec![
        index("{\"source\":\"/proc/cmdline\",\"file\":\"proc/cmdline\",\"bytes\":15}"),
        index("{\"source\":\"/x\",\"missing\":\"absent\"},{\"source\":\"a\\nb\",\"kind\":\"text\",\"file\":\"etc/group\"},{\"source\":\"/y\",\"missing\":{\"failed\":\"x\"}}"),
    ]
}
