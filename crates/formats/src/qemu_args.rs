//! QEMU command lines: a shell line, a script with backslashes, one option a line, a bash array of options, the
//! listing of a process, or a file with one argument a line.

mod opts;
pub(crate) mod words;

use crate::View;
use memchr::memmem::Finder;
pub use opts::{Opts, implied_key, opts};
use std::sync::LazyLock;
use vmwright_model::{Issue, Kind, Spanned};
use words::{Token, Word, tokens};

/// How the id of the monitor begins that vmwright gives its QEMUs for analyses alone, before the name of the directory of
/// its socket: the socket is inherited, so that no path stands in the command line.
pub const QUERIES: &str = "query-";

/// Options that take no value (`qemu-options.def` of QEMU 2.0 to 10.0).
const FLAGS: &[&str] = &[
    "S",
    "alt-grab",
    "ctrl-grab",
    "curses",
    "daemonize",
    "enable-fips",
    "enable-hax",
    "enable-kvm",
    "enable-nesting",
    "enable-sync-profile",
    "full-screen",
    "h",
    "help",
    "jitdump",
    "localtime",
    "mem-prealloc",
    "no-acpi",
    "no-fd-bootchk",
    "no-frame",
    "no-hpet",
    "no-kvm",
    "no-kvm-irqchip",
    "no-kvm-pit",
    "no-quit",
    "no-reboot",
    "no-shutdown",
    "no-user-config",
    "nodefaults",
    "nodefconfig",
    "nographic",
    "old-param",
    "one-insn-per-tb",
    "only-migratable",
    "perfmap",
    "portrait",
    "preconfig",
    "rtc-td-hack",
    "s",
    "sdl",
    "semihosting",
    "singlestep",
    "snapshot",
    "tdf",
    "usb",
    "version",
    "win2k-hack",
    "xen-attach",
    "xen-domid-restrict",
];

/// Options that hardly any other program has: they tell that a text without a program name is QEMU's.
const SIGNS: &[&str] = &[
    "accel",
    "audiodev",
    "blockdev",
    "cdrom",
    "chardev",
    "cpu",
    "device",
    "display",
    "drive",
    "enable-kvm",
    "hda",
    "machine",
    "mon",
    "netdev",
    "nic",
    "nodefaults",
    "no-user-config",
    "nographic",
    "object",
    "overcommit",
    "smp",
    "spice",
    "tpmdev",
    "vga",
    "vnc",
    "smbios",
    "fw_cfg",
    "qmp",
];

/// One option of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuOption {
    /// Its name without dashes: `device`.
    pub name: String,
    /// Its value, quotes removed; none for switches.
    pub value: Option<String>,
    /// Line on which the name stands.
    pub line: u32,
    /// Line on which the value stands; that of the name where there is none.
    pub value_line: u32,
}

impl QemuOption {
    /// The value's parts.
    #[must_use]
    pub fn opts(&self) -> Opts {
        opts(self.value.as_deref().unwrap_or_default(), implied_key(&self.name))
    }
}

/// One command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuCommand {
    /// The program as it was called; none for a fragment.
    pub program: Option<Spanned<String>>,
    /// Variables set in front of the program.
    pub environment: Vec<Spanned<(String, String)>>,
    /// Its options.
    pub options: Vec<QemuOption>,
    /// Arguments that belong to no option: disk images.
    pub images: Vec<Spanned<String>>,
}

/// Every QEMU command line of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuArgs {
    /// In the order of the text.
    pub commands: Vec<QemuCommand>,
}

impl QemuArgs {
    /// Every option of this name, of all command lines.
    pub fn options<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a QemuOption> {
        self.commands.iter().flat_map(|command| &command.options).filter(move |option| option.name == name)
    }

    /// The first option of this name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&QemuOption> {
        self.commands.iter().flat_map(|command| &command.options).find(|option| option.name == name)
    }

    /// A property of the first option of this name that has it: `property("machine", "kernel-irqchip")`. `-` and
    /// `_` are one character in property names, as in QEMU's machine properties.
    #[must_use]
    pub fn property(&self, option: &str, key: &str) -> Option<Spanned<String>> {
        let wanted = key.replace('_', "-");
        self.options(option).find_map(|option| {
            let parts = option.opts().parts;
            let (_, value) = parts.into_iter().rev().find(|part| part.0.replace('_', "-") == wanted)?;
            Some(Spanned::new(value?, option.value_line))
        })
    }

    /// Options `-device`, with their parts, whose driver is `driver` or begins with it and a dash
    /// (`virtio-net` finds `virtio-net-pci`).
    pub fn devices<'a>(&'a self, driver: &'a str) -> impl Iterator<Item = (&'a QemuOption, Opts)> {
        self.options("device").filter_map(move |option| {
            let opts = option.opts();
            let found = opts.get("driver")?;
            let rest = found.strip_prefix(driver)?;
            (rest.is_empty() || rest.starts_with('-')).then_some((option, opts))
        })
    }

    /// The accelerators asked for, first choice first, with their line; none where the command says nothing
    /// (QEMU's default is then TCG).
    #[must_use]
    pub fn accelerators(&self) -> Vec<Spanned<String>> {
        let mut found = Vec::new();
        for option in self.commands.iter().flat_map(|command| &command.options) {
            match option.name.as_str() {
                "enable-kvm" => found.push(Spanned::new("kvm".to_owned(), option.line)),
                "accel" | "machine" | "M" => {
                    let opts = option.opts();
                    let names =
                        opts.get("accel").unwrap_or_default().split(':').filter(|name| !name.is_empty());
                    found.extend(names.map(|name| Spanned::new(name.to_owned(), option.value_line)));
                }
                _ => {}
            }
        }
        found
    }

    /// Reads a part of a text whose first line has the number `first`.
    #[must_use]
    pub fn read_at(text: &str, first: u32) -> Self {
        let mut view = Self::default();
        statements(&tokens(text, first), 0, &mut view.commands);
        view
    }
}

impl View for QemuArgs {
    const KIND: Kind = Kind::new("qemu_args");
    const SUREST: u8 = 88;

    // What programs and the variables that name them are called, and each of [`SIGNS`] with its dash.
    const MARKS: &[&str] = &[
        "qemu",
        "QEMU",
        "Qemu",
        "kvm",
        "-accel",
        "-audiodev",
        "-blockdev",
        "-cdrom",
        "-chardev",
        "-cpu",
        "-device",
        "-display",
        "-drive",
        "-hda",
        "-machine",
        "-mon",
        "-netdev",
        "-nic",
        "-nodefaults",
        "-no-user-config",
        "-nographic",
        "-object",
        "-overcommit",
        "-smp",
        "-spice",
        "-tpmdev",
        "-vga",
        "-vnc",
        "-smbios",
        "-fw_cfg",
        "-qmp",
    ];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let view = Self::read_at(text, 1);
        let issues = if view.commands.is_empty() {
            vec![Issue::new(0, "no QEMU program and no QEMU option was found")]
        } else {
            Vec::new()
        };
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let mut best = 0;
        let (mut options, mut signs, mut others) = (0, 0, 0);
        // Where the next program can be named: a look through the whole is much faster than one at each word.
        let find = |part: &Finder<'_>, from: usize| {
            part.find(&head.as_bytes()[from..]).map_or(usize::MAX, |at| from + at)
        };
        let mut next = FINDERS.each_ref().map(|part| find(part, 0));
        // Whether an option can be a sign, or a variable name a program. Where none can, a line without a program only tells
        // that something else stands there, and one such line is enough.
        let signed = memchr::memchr2_iter(b'-', b'$', head.as_bytes()).any(|at| {
            let rest = &head[at + 1..];
            head.as_bytes()[at] == b'$' || SIGNS.iter().any(|sign| rest.starts_with(sign))
        });
        for line in head.lines() {
            let begin = line.as_ptr() as usize - head.as_ptr() as usize;
            let end = begin + line.len();
            for (part, at) in FINDERS.iter().zip(&mut next).filter(|(_, at)| **at < begin) {
                *at = find(part, begin);
            }
            if !signed && others > 0 && next.iter().all(|at| *at >= end) {
                if next == [usize::MAX; PROGRAMS.len()] {
                    break;
                }
                continue;
            }
            let line = unprompted(line);
            let mut words = line.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            let Some(first) = words.next() else { continue };
            if first.starts_with('#') {
                continue;
            }
            if is_program(first) || (first.starts_with(['/', '"', '$']) && is_program_or_variable(first)) {
                best = best.max(if others == 0 { 88 } else { 75 });
            } else if next.iter().any(|at| *at < end)
                && words.by_ref().any(is_program)
                && words.next().is_some_and(|word| word.starts_with('-'))
            {
                // `sudo qemu-kvm -m 1G`, or the listing of a process.
                best = best.max(if others == 0 { 80 } else { 60 });
            }
            match option_name(first) {
                Some(option) => {
                    options += 1;
                    signs += u32::from(SIGNS.contains(&option));
                }
                None => others += 1,
            }
        }
        if signs > 0 && options >= others {
            best = best.max(80);
        }
        if name.starts_with("qemu-args") || name.starts_with("qemu_args") { best.max(30) } else { best }
    }
}

/// The line without a shell prompt in front: `$ `, `# `, `user@host:~$ `.
pub(crate) fn unprompted(line: &str) -> &str {
    let line = line.trim_start();
    if let [b'$' | b'#' | b'%' | b'>', b' ', ..] = line.as_bytes() {
        return line[2..].trim_start();
    }
    let Some(blank) = memchr::memchr(b' ', line.as_bytes()) else { return line };
    let (prompt, rest) = (&line[..blank], &line[blank + 1..]);
    let is_prompt = prompt.contains('@') && prompt.ends_with(['$', '#', '%', '>']);
    if is_prompt { rest.trim_start() } else { line }
}

/// Parts of the names of emulators, one of which each name has.
const PROGRAMS: [&str; 2] = ["qemu-system", "kvm"];

/// What finds them, made once: each text is asked.
static FINDERS: LazyLock<[Finder<'static>; PROGRAMS.len()]> =
    LazyLock::new(|| PROGRAMS.map(|part| Finder::new(part.as_bytes())));

/// Whether a word is a QEMU emulator's path or name.
pub(crate) fn is_program(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name.strip_prefix("qemu-system-")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)))
        || matches!(name, "qemu-kvm" | "kvm" | "kvm-spice" | "qemu-system")
}

fn is_program_or_variable(word: &str) -> bool {
    let variable = word.strip_prefix('$').is_some_and(|name| {
        let name = name.trim_matches(['{', '}']);
        name.len() < 40
            && name.to_ascii_uppercase().contains("QEMU")
            && !name.to_ascii_uppercase().contains("ARGS")
    });
    variable || is_program(word)
}

/// The option that a word names: `-device` and `--device` are one.
fn option_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    name.starts_with(|letter: char| letter.is_ascii_alphabetic()).then_some(name)
}

/// Cuts tokens into statements and reads those that are QEMU's. `depth` bounds options inside variables.
fn statements(tokens: &[Token], depth: u32, commands: &mut Vec<QemuCommand>) {
    let mut words: Vec<&Word> = Vec::new();
    let mut in_array = false;
    // Words on the current line of the statement, to tell a file of one argument a line.
    let mut on_line = 0;
    // For each token, the next one that is not the end of a line.
    let mut following = vec![None; tokens.len()];
    for at in (1..tokens.len()).rev() {
        following[at - 1] = if tokens[at] == Token::Newline { following[at] } else { Some(&tokens[at]) };
    }
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) => {
                words.push(word);
                on_line += 1;
            }
            Token::Newline if in_array => on_line = 0,
            Token::Newline => {
                let lone_option = on_line == 1
                    && words.last().is_some_and(|word| option_name(&word.text).is_some_and(takes_value));
                let continues = match following[at] {
                    Some(Token::Word(next)) => {
                        // A comment between two lines of options leaves an empty line: nothing ends there.
                        option_name(&next.text).is_some() || lone_option || on_line == 0 && words.is_empty()
                    }
                    _ => false,
                };
                if !continues {
                    statement(&std::mem::take(&mut words), depth, commands);
                }
                on_line = 0;
            }
            Token::Open => {
                statement(&std::mem::take(&mut words), depth, commands);
                (in_array, on_line) = (true, 0);
            }
            Token::Close | Token::Break => {
                statement(&std::mem::take(&mut words), depth, commands);
                (in_array, on_line) = (in_array && *token == Token::Break, 0);
            }
        }
    }
    statement(&words, depth, commands);
}

fn takes_value(option: &str) -> bool {
    FLAGS.binary_search(&option).is_err()
}

fn statement(words: &[&Word], depth: u32, commands: &mut Vec<QemuCommand>) {
    let mut command = QemuCommand::default();
    let is_option = |word: Option<&&Word>| word.is_some_and(|word| option_name(&word.text).is_some());
    // The program is followed by an option or is alone on its line; `usermod -aG kvm user` is not QEMU.
    let program = words.iter().enumerate().position(|(at, word)| {
        is_program_or_variable(&word.text) && (is_option(words.get(at + 1)) || (at == 0 && words.len() == 1))
    });
    let before = program.unwrap_or(words.len());
    for word in &words[..before] {
        let Some((name, value)) = word.text.split_once('=') else { continue };
        if name.starts_with('-')
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+".contains(&byte))
        {
            continue;
        }
        if depth == 0 && word.quoted && (value.starts_with('-') || value.contains(" -")) {
            // Options gathered in a variable: `OPTS="$OPTS -device vfio-pci,host=01:00.0"`.
            statements(&tokens(value.trim_start_matches(|letter| letter != '-'), word.line), 1, commands);
        }
        command.environment.push(Spanned::new((name.to_owned(), value.to_owned()), word.line));
    }
    let rest = match program {
        Some(at) => {
            command.program = Some(Spanned::new(words[at].text.clone(), words[at].line));
            &words[at + 1..]
        }
        None if is_option(words.first()) => words,
        None => return,
    };
    options(rest, &mut command);
    let known =
        |option: &QemuOption| SIGNS.contains(&option.name.as_str()) || FLAGS.contains(&option.name.as_str());
    if command.program.is_some()
        || command.options.iter().any(|option| known(option) || option.value.is_some())
    {
        commands.push(command);
    }
}

fn options(words: &[&Word], command: &mut QemuCommand) {
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) = option_name(&word.text).filter(|_| !word.quoted || word.text.len() < 32) else {
            command.images.push(Spanned::new(word.text.clone(), word.line));
            continue;
        };
        let value =
            words.next_if(|next| takes_value(name) && (next.quoted || option_name(&next.text).is_none()));
        command.options.push(QemuOption {
            name: name.to_owned(),
            value: value.map(|value| value.text.clone()),
            line: word.line,
            value_line: value.map_or(word.line, |value| value.line),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> QemuArgs {
        QemuArgs::read(text).0
    }

    #[test]
    fn flags_are_sorted_for_the_search() {
        assert!(FLAGS.is_sorted());
    }

    #[test]
    fn a_libvirt_command() {
        let args = read(
            "LC_ALL=C \\\nPATH=/bin:/usr/bin \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=web,debug-threads=on \\\n-S \\\n-object '{\"qom-type\":\"secret\",\"id\":\"masterKey0\"}' \\\n-machine pc-q35-7.2,usb=off,kernel_irqchip=split \\\n-accel kvm \\\n-device '{\"driver\":\"vfio-pci\",\"host\":\"0000:01:00.0\",\"id\":\"hostdev0\"}' \\\n-msg timestamp=on\n",
        );
        assert_eq!(args.commands.len(), 1);
        let command = &args.commands[0];
        assert_eq!(command.program, Some(Spanned::new("/usr/bin/qemu-system-x86_64".to_owned(), 3)));
        assert_eq!(command.environment[1].value, ("PATH".to_owned(), "/bin:/usr/bin".to_owned()));
        let names: Vec<&str> = command.options.iter().map(|option| option.name.as_str()).collect();
        assert_eq!(names, ["name", "S", "object", "machine", "accel", "device", "msg"]);
        assert_eq!(args.property("machine", "kernel-irqchip"), Some(Spanned::new("split".to_owned(), 7)));
        assert_eq!(args.accelerators(), [Spanned::new("kvm".to_owned(), 8)]);
        let (device, opts) = args.devices("vfio").next().expect("it is there");
        assert_eq!((device.line, opts.get("host")), (9, Some("0000:01:00.0")));
        assert_eq!(args.property("name", "guest").map(|name| name.value).as_deref(), Some("web"));
    }

    #[test]
    fn a_script_with_other_commands() {
        let args = read(
            "#!/bin/bash\n# start it\nmodprobe -r nouveau\nswtpm socket --tpmstate dir=/tmp/t --daemon &\nsudo qemu-system-x86_64 -enable-kvm \\\n  -m 4G -cpu host,+vmx \\\n  # the disk\n  -drive file=\"/my disk.img\",if=virtio\nip link del tap0\nusermod -aG kvm me\n",
        );
        assert_eq!(args.commands.len(), 1, "{args:?}");
        assert_eq!(
            args.first("drive").map(|drive| (drive.line, drive.opts().get("file").map(str::to_owned))),
            Some((8, Some("/my disk.img".to_owned())))
        );
        assert_eq!(args.accelerators()[0].line, 5);
        assert_eq!(args.first("tpmstate"), None);
    }

    #[test]
    fn options_without_a_program() {
        let args =
            read("-device vfio-pci,host=01:00.0\n-device vfio-pci,host=01:00.1\n-nographic disk.img\n");
        assert_eq!(args.options("device").map(|option| option.line).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(args.commands[0].images[0].value, "disk.img");
        assert_eq!(args.commands[0].program, None);
    }

    #[test]
    fn one_argument_a_line() {
        let args = read(
            "/usr/bin/qemu-system-x86_64\n-name\nweb\n-S\n-machine\nq35,accel=kvm:tcg\n-append\nconsole=ttyS0 -- x\n",
        );
        assert_eq!(args.commands.len(), 1, "{args:?}");
        assert_eq!(args.first("name").and_then(|name| name.value.as_deref()), Some("web"));
        assert_eq!(args.first("machine").map(|machine| (machine.line, machine.value_line)), Some((5, 6)));
        let accelerators: Vec<String> = args.accelerators().into_iter().map(|name| name.value).collect();
        assert_eq!(accelerators, ["kvm", "tcg"]);
    }

    #[test]
    fn arrays_and_variables_of_scripts() {
        let args = read(
            "args=(\n  -enable-kvm -m \"$RAM\"\n  # comment\n  -device usb-ehci,id=ehci\n)\nOPTS=\"\"\nOPTS=\"$OPTS -cpu host,kvm=off\"\n\"$QEMU\" \"${args[@]}\" $OPTS\nqemu-system-x86_64 -S\n",
        );
        assert_eq!(args.first("device").map(|device| device.line), Some(4));
        assert_eq!(args.first("m").and_then(|m| m.value.as_deref()), Some("$RAM"));
        assert_eq!(args.property("cpu", "kvm"), Some(Spanned::new("off".to_owned(), 7)));
    }

    #[test]
    fn a_listing_of_processes() {
        let args = read(
            "root 812 3.0 /usr/bin/qemu-system-x86_64 -name guest=a -object {\"qom-type\":\"secret\",\"id\":\"k\"} -m 1024\nroot 900 0.0 grep qemu\n",
        );
        assert_eq!(args.commands.len(), 1, "{args:?}");
        assert_eq!(
            args.first("object").and_then(|object| object.opts().get("id").map(str::to_owned)).as_deref(),
            Some("k")
        );
        assert_eq!(args.first("m").and_then(|m| m.value.as_deref()), Some("1024"));
    }

    #[test]
    fn recognised_by_content() {
        let sure = |text: &str| QemuArgs::recognise("x.txt", text);
        assert!(sure("$ qemu-system-x86_64 -m 1G\n") >= 80);
        assert!(sure("-device vfio-pci,host=01:00.0\n-cpu host\n") >= 80);
        assert!(sure("#!/bin/sh\nmodprobe vfio\nqemu-system-x86_64 -m 1 \\\n -S\n") >= 70);
        assert!(sure("root 8 /usr/bin/qemu-kvm -name x\n") >= 60);
        assert_eq!(sure("- one\n- two\nthe kvm module is not loaded\n"), 0);
        assert_eq!(sure("-A INPUT -j ACCEPT\n"), 0);
        assert_eq!(sure("QEMU 7.2.1\n"), 0);
    }

    #[test]
    fn programs_are_known_wherever_they_stand() {
        for name in ["qemu-system-x86_64", "qemu-kvm", "kvm", "kvm-spice", "qemu-system"] {
            assert!(is_program(name) && PROGRAMS.iter().any(|part| name.contains(part)), "{name}");
            for before in ["", "a\n\n", "a\r\nthe kvm module\n", "qemu-system is not\nkvm\n-x\n"] {
                let text = format!("{before}root 8 /usr/bin/{name} -name x\nb\n");
                assert!(QemuArgs::recognise("x", &text) >= 60, "{text}");
            }
        }
    }

    #[test]
    fn every_sign_is_a_mark() {
        for sign in SIGNS {
            assert!(QemuArgs::MARKS.iter().any(|mark| format!("-{sign}").contains(mark)), "{sign}");
        }
    }

    #[test]
    fn nothing_of_qemu() {
        let (view, issues) = QemuArgs::read("hello world\n");
        assert_eq!(view.commands, []);
        assert_eq!(issues.len(), 1);
    }
}
