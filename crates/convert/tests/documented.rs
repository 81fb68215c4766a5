//! QEMU's own documented examples, as the manual page of the installed QEMU has them.

use std::path::Path;
use std::process::Command;
use vmwright_convert::qemu::{read, text};
use vmwright_formats::View as _;
use vmwright_formats::qemu_args::QemuArgs;

const PAGE: &str = "/usr/share/man/man1/qemu-system.1.gz";

/// The manual page's text without its markup.
fn page() -> Result<String, String> {
    if !Path::new(PAGE).exists() {
        return Err(format!("no {PAGE}"));
    }
    let output =
        Command::new("gzip").args(["-dc", PAGE]).output().map_err(|error| format!("gzip: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // groff's escapes: a hyphen, a backslash, quotes; bold and italics.
    let pairs = [
        ("\\-", "-"),
        ("\\e", "\\"),
        ("\\(aq", "'"),
        ("\\(dq", "\""),
        ("\\fB", ""),
        ("\\fI", ""),
        ("\\fP", ""),
    ];
    Ok(pairs.iter().fold(text.into_owned(), |text, (from, to)| text.replace(from, to)))
}

#[test]
fn documented_examples_are_machines() {
    let page = match page() {
        Ok(page) => page,
        Err(reason) => {
            println!("SKIPPED documented_examples_are_machines: {reason}");
            return;
        }
    };
    let (mut examples, mut whole) = (0, 0);
    let mut kept: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for block in page.split("\n.sp\n").flat_map(|block| block.split("\n.nf\n")) {
        let Some(start) = block.find("qemu-system-") else { continue };
        let (view, _) = QemuArgs::read(&block[start..]);
        for command in
            view.commands.iter().filter(|command| command.program.is_some() && !command.options.is_empty())
        {
            examples += 1;
            let machine = vmwright_convert::qemu::command(command).spec;
            whole += usize::from(machine.foreign.is_empty());
            for part in &machine.foreign {
                *kept.entry(part.at.clone()).or_default() += 1;
            }
            // What is written of it is a command line of the same machine: written once more it is the same.
            let Ok(written) = text(&machine) else { continue };
            let again = read(&written.text).expect("what is written is a command line").spec;
            assert_eq!(text(&again).map(|again| again.text), Ok(written.text), "{:?}", command.options);
        }
    }
    println!(
        "{examples} documented examples, {whole} of them in the specification's own words alone; kept: {kept:?}"
    );
    assert!(examples >= 40, "the manual page has only {examples} examples: its markup has changed");
}
