//! The facts of a machine as far as they follow from a domain's XML, and when two of them are the same.

/// Properties that libvirt's older pairs lack, since they assume a QEMU that has not got them. Its newer pairs of the
/// same devices have them.
const NEWER: [(&str, &str); 5] = [
    ("device qxl", "vgamem-mb="),
    ("device virtio-vga", "virgl="),
    ("memory file", "share="),
    ("device vhost-user-blk", "reconnect="),
    ("device qxl", "vram64-size-mb="),
];

/// What that older QEMU has not got at all; what libvirt then takes in its place, the second is.
const OLDER: [(&str, &str); 6] = [
    ("device virtio-vga-gl ", "device virtio-vga "),
    ("device virtio-gpu-pci ", "device virtio-vga "),
    ("device qemu-xhci", ""),
    ("device ich9-usb-", ""),
    ("memory ram,policy=", ""),
    ("global kvm-pit.lost_tick_policy=", ""),
];

/// What libvirt says of its own configuration and of its own care, and not of the machine: where its certificates are,
/// who may log in; that a processor is what it should be it looks up itself when the machine runs.
const CONFIGURED: [&str; 6] = [
    "sasl=on",
    "x509-dir=/etc/pki/libvirt-spice",
    "multifunction=on",
    "cancel-path=",
    "tls-creds={",
    "prealloc=on",
];

/// The facts as far as they follow from a domain's XML. What libvirt chooses where the XML says nothing, and asks the
/// emulator for, is left out: memory is rounded up to whole MiB and its modules to 2 MiB, each CPU is a socket of its
/// own, an alias of a machine type becomes its newest version, a screen's port is the first free one. Limits of disks
/// it sets over the monitor. `old`: of a QEMU that has only what QEMU has had for long.
pub(crate) fn from_xml(facts: Vec<String>, old: bool) -> Vec<String> {
    let sockets: Vec<String> = facts
        .iter()
        .filter_map(|fact| fact.strip_prefix("smp cpus=").or_else(|| fact.strip_prefix("smp maxcpus=")))
        .map(|count| format!("smp sockets={count}"))
        .collect();
    let alone = !facts.iter().any(|fact| {
        fact.starts_with("smp ")
            && !["cpus", "maxcpus", "sockets"].iter().any(|key| fact[4..].starts_with(key))
    });
    let full = facts.iter().any(|fact| fact == "full-screen");
    let mut kept: Vec<String> = Vec::new();
    for fact in facts.into_iter().filter(|fact| !(alone && sockets.contains(fact)) && fact != "full-screen") {
        let mut fact = match fact.as_str() {
            machine if machine.starts_with("machine pc-q35-") => "machine q35".to_owned(),
            machine if machine.starts_with("machine pc-i440fx-") => "machine pc".to_owned(),
            "cpu migratable=off" | "cpu enforce=on" => continue,
            "display type=sdl" if full => "display full-screen=on,type=sdl".to_owned(),
            // libvirt says the place in the boot order of its drives to the one controller that there is.
            controller if controller.starts_with("device isa-fdc bootindex") => {
                let drives = controller["device isa-fdc ".len()..].split(',');
                kept.extend(drives.map(|drive| format!("global isa-fdc.{drive}")));
                "device isa-fdc".to_owned()
            }
            _ => fact,
        };
        // A port that is named by nobody is the one that the emulator has.
        fact = fact.replace("ioh3420", "pcie-root-port");
        if let Some((name, rest)) = fact.split_once("-transitional ") {
            let (name, legacy) = name.strip_suffix("-non").map_or((name, "off"), |name| (name, "on"));
            fact = sorted(&format!("{name} {rest},disable-legacy={legacy},disable-modern=off"));
        }
        if fact.starts_with("device usb-host") {
            fact = usb(&fact);
        }
        fact = unlimited(&fact);
        // The chardev is found by its name, which is nobody's business.
        if let Some((before, _)) = fact.split_once("-chardev:") {
            fact = format!("{before}-chardev,type=user").replace("guestfwd.0=", "guestfwd=");
        }
        // The size that huge pages have on a PC, where nothing is said.
        for end in [",", "}", " "] {
            fact = fact.replace(&format!("huge{end}"), &format!("huge2097152{end}"));
        }
        if fact == "memory huge" {
            fact.push_str("2097152");
        }
        if fact.starts_with("spice") || fact.starts_with("vnc") {
            fact = fact
                .replace(",port=5900", "")
                .replace(" port=0", "")
                .replace(",port=0", "")
                .replace("to=99,", "")
                .replace("addr=127.0.0.1", "")
                .trim()
                .to_owned();
        }
        let modules = fact.starts_with("device pc-dimm") || fact.starts_with("device nvdimm");
        let configured = |word: &str| {
            CONFIGURED.iter().any(|known| word.starts_with(known) && (*known != "prealloc=on" || modules))
                // Huge pages are gone with the last file that is open of them.
                || (word.starts_with("discard-data=") && fact.contains("huge"))
        };
        fact = without(&fact, &configured);
        fact = round(&fact, 1);
        if modules {
            fact = round(&fact, 2);
        }
        if old {
            if let Some((known, instead)) = OLDER.iter().find(|(known, _)| fact.starts_with(known)) {
                if instead.is_empty() {
                    continue;
                }
                fact = format!("{instead}{}", &fact[known.len()..]);
            }
            fact = without(&fact, &|word| {
                NEWER.iter().any(|(place, key)| fact.starts_with(place) && word.starts_with(key))
            });
        }
        kept.push(fact);
    }
    // A machine of nodes has what its nodes have, each rounded up.
    let nodes: u64 =
        kept.iter().filter(|fact| fact.starts_with("numa ")).filter_map(|fact| value(fact, "mem=")).sum();
    if nodes > 0 {
        for fact in kept.iter_mut().filter(|fact| fact.starts_with("m size=")) {
            *fact = format!("m size={nodes}");
        }
    }
    kept.sort();
    kept
}

fn value(fact: &str, key: &str) -> Option<u64> {
    let rest = &fact[fact.find(key)? + key.len()..];
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// Sizes in whole numbers of so many MiB.
fn round(fact: &str, mebibytes: u64) -> String {
    let keys: &[&str] = match fact.split(' ').next() {
        Some("m") => &["size=", "maxmem="],
        Some("numa") => &["mem="],
        Some("device") if mebibytes > 1 => &["size="],
        _ => &[],
    };
    let mut fact = fact.to_owned();
    for key in keys {
        let Some(at) = fact.find(&format!(",{key}")).map(|at| at + 1).or_else(|| fact.find(key)) else {
            continue;
        };
        let from = at + key.len();
        let digits = fact[from..].bytes().take_while(u8::is_ascii_digit).count();
        let bytes = fact[from..from + digits].parse::<u64>().unwrap_or(0).next_multiple_of(mebibytes << 20);
        fact.replace_range(from..from + digits, &bytes.to_string());
    }
    fact
}

/// Words of a fact: the kind first, then what stands between commas, in braces as one.
fn words(fact: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let mut words = vec![String::new()];
    for letter in fact.chars() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' | ' ' if depth == 0 => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        words.last_mut().expect("there is one").push(letter);
    }
    words
}

/// A fact whose words are sorted again.
fn sorted(fact: &str) -> String {
    let kind = if fact.starts_with("device ") { 2 } else { 1 };
    let words = words(fact);
    let (head, rest) = words.split_at(kind.min(words.len()));
    let mut rest: Vec<&String> = rest.iter().filter(|word| !word.is_empty()).collect();
    rest.sort();
    let rest: Vec<&str> = rest.into_iter().map(String::as_str).collect();
    format!("{} {}", head.join(" "), rest.join(",")).trim().to_owned()
}

/// A fact without some of its words, in braces too.
fn without(fact: &str, unwanted: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut depth = 0_i32;
    let end = |word: &mut String, out: &mut String| {
        if !unwanted(word) {
            out.push_str(word);
        } else if out.ends_with(',') {
            out.pop();
        }
        word.clear();
    };
    for letter in fact.chars() {
        match letter {
            '{' | '[' if !word.starts_with("tls-creds") => {
                out.push_str(&word);
                word.clear();
                out.push(letter);
            }
            '{' => {
                depth += 1;
                word.push(letter);
            }
            '}' if depth > 0 => {
                depth -= 1;
                word.push(letter);
            }
            ',' | ' ' | '}' | ']' if depth == 0 => {
                end(&mut word, &mut out);
                if letter == ',' && (out.ends_with(['{', ' ', ','])) {
                    continue;
                }
                out.push(letter);
            }
            _ => word.push(letter),
        }
    }
    end(&mut word, &mut out);
    out.replace("{,", "{").trim_end_matches([',', ' ']).to_owned()
}

/// The device node of a USB device as its bus and number.
fn usb(fact: &str) -> String {
    let Some((before, rest)) = fact.split_once("hostdevice=/dev/bus/usb/") else { return fact.to_owned() };
    let (path, after) = rest.split_once(',').map_or((rest, ""), |(path, after)| (path, after));
    let (bus, number) = path.split_once('/').unwrap_or((path, ""));
    let plain = |text: &str| text.trim_start_matches('0').to_owned();
    sorted(&format!("{before}hostaddr={},hostbus={},{after}", plain(number), plain(bus)))
}

/// A disk without the filter that limits it.
fn unlimited(fact: &str) -> String {
    let head = "drive={driver=throttle,file={";
    let (Some(from), Some(group)) = (fact.find(head), fact.find(",throttle-group={")) else {
        return fact.to_owned();
    };
    let Some(end) = fact[group..].find("}}").map(|at| group + at + 2) else { return fact.to_owned() };
    format!("{}drive={{{}{}", &fact[..from], &fact[from + head.len()..group], &fact[end..])
}

/// Whether libvirt's fact is ours, but for what libvirt opened itself and hands over without a name.
pub(crate) fn opened(theirs: &str, ours: &str) -> bool {
    let parts = |fact: &str| -> Vec<String> {
        let mut parts: Vec<String> = vec![String::new()];
        for letter in fact.chars() {
            match letter {
                ',' | ' ' | '{' | '}' => parts.push(String::new()),
                _ => parts.last_mut().expect("there is one").push(letter),
            }
        }
        parts.retain(|part| !part.is_empty() && part != "append=off" && part != "logappend=off");
        parts
    };
    if theirs == ours {
        return true;
    }
    let (theirs, ours) = (parts(theirs), parts(ours));
    let handed = theirs.iter().any(|part| part.contains("=/dev/fdset/"))
        || (theirs.iter().any(|part| part == "server=on")
            && !theirs.iter().any(|part| part.starts_with("path=")));
    if !handed {
        return theirs == ours;
    }
    // A path has commas of its own.
    let key = |part: &String| part.split_once('=').map(|(key, _)| key.to_owned());
    let own = ["path", "logfile", "vhostdev", "filename", "driver"];
    let plain = |parts: Vec<String>| -> Vec<String> {
        parts.into_iter().filter(|part| key(part).is_some_and(|key| !own.contains(&key.as_str()))).collect()
    };
    plain(theirs) == plain(ours)
}

/// A device without its bus.
pub(crate) fn busless(fact: &str) -> String {
    words(fact)
        .into_iter()
        .filter(|word| !word.starts_with("bus=") && !word.starts_with("port="))
        .collect::<Vec<_>>()
        .join(",")
}

/// A device without its place, for one whose place the XML does not say.
pub(crate) fn placeless(fact: &str) -> String {
    let place =
        ["addr=", "bus=", "multifunction=", "nr=", "port=", "scsi-id=", "lun=", "unit=", "slot=", "index="];
    let words = words(fact).into_iter().filter(|word| !place.iter().any(|key| word.starts_with(key)));
    words.collect::<Vec<_>>().join(",")
}
