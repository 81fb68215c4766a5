//! Edits of the user's own files: what a shell reads afterwards, and that nothing else changes.

use proptest::prelude::*;
use std::io::Write;
use std::process::{Command, Stdio};
use vmwright_formats::edits::{get, set};
use vmwright_model::plan::Setting;

const VARIABLE: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

fn setting() -> Setting {
    Setting::GrubParameter { variable: VARIABLE.into(), parameter: "iommu".into() }
}

/// What a shell has in the variable after the file: the words, as GRUB gives them to the kernel.
fn shell(text: &str) -> Vec<String> {
    let mut child = Command::new("sh")
        .args(["-c", "eval \"$(cat)\"; printf %s \"$GRUB_CMDLINE_LINUX_DEFAULT\""])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("every system has sh");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).split_ascii_whitespace().map(str::to_owned).collect()
}

/// `/etc/default/grub` as a person may have written it: any quotes, several assignments, comments, other variables.
fn grub_files() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(
        prop::sample::select(
            &[
                "quiet",
                "splash",
                "iommu=on",
                "iommux=1",
                "a.iommu=2",
                "console=ttyS0,115200n8",
                "x=\\\"y\\\"",
            ][..],
        ),
        0..4,
    );
    let value = (words, 0..5_u8).prop_map(|(words, quote)| {
        let text = words.join(" ");
        match quote {
            0 => format!("\"{text}\""),
            1 => format!("'{}'", text.replace('\\', "")),
            2 => format!("\"{}\"", text.replace(' ', " \\\n  ")),
            3 => format!("\"{text} \""),
            _ => words.first().copied().unwrap_or("").to_owned(),
        }
    });
    let line = (value, 0..8_u8).prop_map(|(value, kind)| match kind {
        0..=2 => format!("{VARIABLE}={value}\n"),
        3 => format!("{VARIABLE}={value} # and why\n"),
        4 => format!("GRUB_CMDLINE_LINUX={value}\n"),
        5 => "# GRUB_CMDLINE_LINUX_DEFAULT=\"no\"\n".to_owned(),
        6 => "\n".to_owned(),
        _ => "GRUB_DISTRIBUTOR=`echo 'a \"b'`\n".to_owned(),
    });
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_shell_reads_what_was_written_and_every_other_byte_stays(text in grub_files()) {
        // What stands several times, or in several quotes, is left to a person.
        let Ok(from) = get(&text, &setting()) else { return Ok(()) };
        let before = shell(&text);
        prop_assert_eq!(before.iter().rfind(|word| word.starts_with("iommu=")), from.as_ref());
        let Ok(new) = set(&text, &setting(), from.as_deref(), Some("iommu=pt")) else { return Ok(()) };
        let mut expected = before.clone();
        match expected.iter_mut().find(|word| word.starts_with("iommu=")) {
            Some(word) => *word = "iommu=pt".to_owned(),
            None => expected.push("iommu=pt".to_owned()),
        }
        prop_assert_eq!(shell(&new), expected, "{:?} became {:?}", &text, &new);
        // Outside of one place the texts are the same.
        let same = |a: &mut dyn Iterator<Item = u8>, b: &mut dyn Iterator<Item = u8>| a.zip(b).take_while(|(a, b)| a == b).count();
        let front = same(&mut text.bytes(), &mut new.bytes());
        let back = same(&mut text.bytes().rev(), &mut new.bytes().rev()).min(text.len() - front);
        prop_assert!(new.len() - front - back <= VARIABLE.len() + 16 + text.len() - front - back, "{:?} became {:?}", &text, &new);
        prop_assert!(text.len() - front - back <= 24, "{:?} became {:?}", &text, &new);
        // And back: where it replaced something, to the byte.
        let back = set(&new, &setting(), Some("iommu=pt"), from.as_deref()).expect("it stands there");
        prop_assert_eq!(shell(&back), before);
        if from.is_some() {
            prop_assert_eq!(back, text);
        }
    }

    #[test]
    fn any_text_is_edited_or_refused_and_what_is_written_is_read(
        text in "([a-z=\"'\\\\\n #;$(){}+]|options |force_drivers|iommu=|if |vfio-pci|\u{e9}){0,60}",
    ) {
        let settings: [(Setting, &str); 8] = [
            (setting(), "iommu=pt"),
            (Setting::EntryParameter { parameter: "iommu".into() }, "iommu=pt"),
            (Setting::CmdlineParameter { parameter: "iommu".into() }, "iommu=pt"),
            (Setting::ModuleOption { module: "vfio-pci".into(), option: "ids".into() }, "ids=1:2"),
            (Setting::Module { module: "vfio-pci".into() }, "vfio-pci"),
            (Setting::DracutWord { list: "force_drivers".into(), word: "vfio-pci".into() }, "vfio-pci"),
            (Setting::Sysctl { key: "vm.nr".into() }, "1"),
            (Setting::LibvirtOption { option: "iommu".into() }, "pt"),
        ];
        for (setting, to) in settings {
            let Ok(from) = get(&text, &setting) else { continue };
            let Ok(new) = set(&text, &setting, from.as_deref(), Some(to)) else { continue };
            let read = get(&new, &setting).ok().flatten();
            prop_assert_eq!(read.as_deref(), Some(to), "{:?}: {:?} became {:?}", setting, &text, &new);
        }
    }
}
