//! Cloud Hypervisor's command line: the same configuration as its JSON, option by option ([`table`]).
//!
//! Options that configure the VMM and not the machine, and those that are not known here, are kept as foreign parts: at
//! the option's own name, with its words as a list.

mod shell;
mod table;
mod value;

use super::DIALECT;
use crate::json::wrong;
use crate::qemu::{Argument, shell as lines};
use crate::{Effect, Read, ReadError, Remark, Written};
use serde_json::{Map, Value, json};
use table::{FLAGS, Item, OPTIONS, Of, TEXTS};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Foreign, ForeignFormat};

/// Reads a command line, as a shell takes it.
///
/// # Errors
/// Where it has no option at all, or one is not spelled as Cloud Hypervisor takes it.
pub fn read(text: &str) -> Result<Read, ReadError> {
    let words = shell::words(text).map_err(|why| wrong(1, why))?;
    let from = words.iter().position(|word| word.starts_with("--"));
    let words = from.map(|from| &words[from..]).unwrap_or_default();
    let (document, others) = document(words)?;
    let mut read = super::from_document(&document)?;
    read.spec.foreign.extend(others);
    Ok(read)
}

/// The configuration that an option line says, and what of it is the VMM's own.
fn document(words: &[String]) -> Result<(Value, Vec<Foreign>), ReadError> {
    let mut document = Value::Object(Map::new());
    let mut others = Vec::new();
    let mut rest = words;
    while let [first, after @ ..] = rest {
        let count = after.iter().take_while(|word| !word.starts_with('-') || word.len() < 2).count();
        let (mut values, next) = after.split_at(count);
        rest = next;
        let inline;
        let mut name = first.as_str();
        if let Some((option, value)) = first.split_once('=').filter(|_| first.starts_with("--")) {
            inline = [value.to_owned()];
            (name, values) = (option, &inline);
        }
        if !option(&mut document, name, values).map_err(|why| wrong(1, format!("`{name}`: {why}")))? {
            let text = json!(values).to_string();
            others.push(Foreign { format: ForeignFormat::CloudHypervisor, at: name.to_owned(), text });
        }
    }
    Ok((document, others))
}

/// Puts an option into the configuration; false where it says nothing of the machine.
fn option(document: &mut Value, name: &str, values: &[String]) -> Result<bool, String> {
    if let Some((_, key)) = FLAGS.iter().find(|(option, _)| *option == name).filter(|_| values.is_empty()) {
        document[key] = true.into();
        return Ok(true);
    }
    if let Some((_, key)) = TEXTS.iter().find(|(option, _)| *option == name) {
        let [text] = values else { return Err("one value is wanted".to_owned()) };
        value::put(document, &format!("payload/{key}"), text.as_str().into());
        return Ok(true);
    }
    let Some(known) = OPTIONS.iter().find(|known| known.option == name) else { return Ok(false) };
    if values.is_empty() {
        return Err("a value is wanted".to_owned());
    }
    for text in values {
        let mut element = Value::Object(Map::new());
        for (key, text) in value::parts(text)? {
            let item = known.items.iter().find(|item| item.argument == key);
            let item = item.ok_or_else(|| format!("there is no `{}`", key.escape_debug()))?;
            value::put(&mut element, item.key, value::read(item, &text).ok_or_else(|| unfit(item, &text))?);
        }
        say_end(&mut element, name);
        match known.of {
            Of::One => merge(document, known.key, element),
            Of::Many => push(document, known.key, element),
        }
    }
    Ok(true)
}

/// Options of a character device's other end, which is a file or a socket where one is named.
const ENDS: [&str; 3] = ["--serial", "--console", "--debug-console"];

/// The path that says a mode, and that mode.
const MODES: [(&str, &str); 2] = [("file", "File"), ("socket", "Socket")];

/// Says the mode that a path implies.
fn say_end(element: &mut Value, option: &str) {
    for (path, mode) in MODES.into_iter().filter(|_| ENDS.contains(&option)) {
        if element.get(path).is_some() && element.get("mode").is_none() {
            element["mode"] = mode.into();
        }
    }
}

/// Leaves the mode unsaid that a path implies.
fn imply_end(element: &mut Value, option: &str) {
    let implied = |(path, mode): &(&str, &str)| element.get(path).is_some() && element["mode"] == *mode;
    if ENDS.contains(&option) && MODES.iter().any(implied) {
        value::take(element, "mode");
    }
}

fn unfit(item: &Item, text: &str) -> String {
    let text: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    format!("`{text}` is no value of `{}`", item.argument)
}

fn merge(document: &mut Value, key: &str, element: Value) {
    if let (Some(Value::Object(there)), Value::Object(more)) = (document.get_mut(key), &element) {
        there.extend(more.clone());
    } else {
        document[key] = element;
    }
}

fn push(document: &mut Value, key: &str, element: Value) {
    let mut place = document;
    let mut steps = key.split('/').peekable();
    while let Some(step) = steps.next() {
        if steps.peek().is_some() {
            place = &mut place[step];
        } else if let Value::Array(there) = &mut place[step] {
            there.push(element);
            return;
        } else {
            place[step] = Value::Array(vec![element]);
            return;
        }
    }
}

/// The words for a machine, without the program, and what they say otherwise than the machine.
#[must_use]
pub fn words(spec: &MachineSpec) -> (Vec<String>, Vec<Remark>) {
    let mut plain = spec.clone();
    // How the JSON was spelled is no matter here.
    plain.foreign.retain(|part| !part.text.starts_with("<?") && !part.at.starts_with('-'));
    let (mut document, mut remarks) = DIALECT.write(&plain);
    let mut words = Vec::new();
    for (option, key) in TEXTS {
        if let Some(Value::String(text)) = value::take(&mut document, &format!("payload/{key}")) {
            words.extend(value(option, text));
        }
    }
    for known in OPTIONS {
        let elements = match value::take(&mut document, known.key) {
            None => continue,
            Some(Value::Array(elements)) => elements,
            Some(one) => vec![one],
        };
        let mut left = Vec::new();
        let texts = elements.into_iter().enumerate().filter_map(|(at, mut element)| {
            imply_end(&mut element, known.option);
            let text = value::text(known.items, &mut element);
            let place =
                if known.of == Of::Many { format!("{}[{at}]", known.key) } else { known.key.to_owned() };
            value::leaves(&element, &place, &mut left);
            Some(text).filter(|text| !text.is_empty())
        });
        let texts: Vec<String> = texts.collect();
        if !texts.is_empty() {
            words.push(known.option.to_owned());
            words.extend(texts);
        }
        remarks.extend(left.into_iter().map(lost));
    }
    for (option, key) in FLAGS {
        if value::take(&mut document, key) == Some(Value::Bool(true)) {
            words.push((*option).to_owned());
        }
    }
    let mut left = Vec::new();
    value::leaves(&document, "", &mut left);
    remarks.extend(left.into_iter().map(lost));
    let own = spec.foreign.iter().filter(|part| part.format == ForeignFormat::CloudHypervisor);
    for part in own.filter(|part| part.at.starts_with('-')) {
        let mut values = serde_json::from_str::<Vec<String>>(&part.text).unwrap_or_default();
        match values.len() {
            1 => words.extend(value(&part.at, values.remove(0))),
            _ => words.extend(std::iter::once(part.at.clone()).chain(values)),
        }
    }
    (words, remarks)
}

/// An option and its value; in one word where the value would be taken for an option.
fn value(option: &str, value: String) -> Vec<String> {
    if value.starts_with('-') { vec![format!("{option}={value}")] } else { vec![option.to_owned(), value] }
}

fn lost((item, value): (String, String)) -> Remark {
    Remark { effect: Effect::Lost, item, why: format!("the command line has no word for {value}") }
}

/// Writes a command line, one option a line.
#[must_use]
pub fn write(spec: &MachineSpec) -> Written {
    let (words, remarks) = words(spec);
    let mut arguments: Vec<Argument> = Vec::new();
    for word in words {
        match arguments.last_mut() {
            Some(last) if !word.starts_with('-') && last.value.is_none() => last.value = Some(word),
            // More values of the same option.
            Some(last) if !word.starts_with('-') => {
                let option = last.option.clone();
                arguments.push(Argument { option, value: Some(word), why: "" });
            }
            _ => arguments.push(Argument { option: word.into(), value: None, why: "" }),
        }
    }
    Written { text: lines("cloud-hypervisor", &arguments), remarks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::machine::Endpoint;

    const LINE: &str = "HOME=/root ./cloud-hypervisor --kernel /srv/vmlinux --cmdline \"console=hvc0 root=/dev/vda1 rw\" \\\n  \
        --cpus boot=4,max=8,topology=2:2:1:2,affinity=[0@[0,2-4],1@[1]],features=amx --memory size=1G,hotplug_size=512M,shared=on \\\n  \
        --disk path=/srv/a.qcow2,image_type=qcow2,direct=on,bw_size=1000,bw_refill_time=1000 'path=\"/srv/b,c.raw\",readonly=on' \\\n  \
        --net tap=tap0,mac=12:34:56:78:90:ab,num_queues=4 --net vhost_user=on,socket=/run/n,vhost_mode=server \\\n  \
        --serial file=/run/serial --console off --rng src=/dev/hwrng --vsock cid=3,socket=/run/v --fs tag=f,socket=/run/fs \\\n  \
        --device path=/sys/bus/pci/devices/0000:01:00.0 --watchdog --balloon size=64M,deflate_on_oom=on \\\n  \
        --numa guest_numa_id=0,cpus=[0-3],distances=[1@20],memory_zones=[mem0] --api-socket /run/api -v --log-file /l\n";

    #[test]
    fn options_are_a_configuration() {
        let spec = read(LINE).expect("a command line").spec;
        assert_eq!((spec.cpu.count, spec.cpu.max, spec.memory.size.as_str()), (4, Some(8), "1GiB"));
        assert_eq!(spec.boot.cmdline, "console=hvc0 root=/dev/vda1 rw");
        assert_eq!(spec.cpu.pinning.vcpus[0].cpus.as_deref(), Some("0,2-4"));
        assert_eq!(spec.disks[1].path.as_deref(), Some("/srv/b,c.raw"));
        assert_eq!(spec.disks[0].limits.as_ref().and_then(|limits| limits.bytes), Some(1000));
        assert_eq!((spec.networks.len(), spec.networks[0].queues), (2, Some(2)));
        let serial = &spec.serials[0];
        assert_eq!((serial.to, serial.path.as_deref()), (Endpoint::File, Some("/run/serial")));
        let kept: Vec<&str> = spec.foreign.iter().map(|part| part.at.as_str()).collect();
        for part in ["--api-socket", "-v", "--log-file", "numa[0]"] {
            assert!(kept.contains(&part), "{part} is not among {kept:?}");
        }
    }

    #[test]
    fn what_is_written_says_the_same_machine() {
        let spec = read(LINE).expect("a command line").spec;
        let written = write(&spec);
        let again = read(&written.text).expect("a command line").spec;
        assert_eq!(write(&again).text, written.text);
        assert!(
            written.text.contains("--disk 'path=/srv/a.qcow2") || written.text.contains("--disk "),
            "{}",
            written.text
        );
        assert!(written.text.contains("--watchdog"), "{}", written.text);
        assert_eq!(written.remarks.iter().find(|one| one.item.starts_with('-')), None);
        assert!(written.text.contains("\n  -v"), "{}", written.text);
        let plain = |spec: &MachineSpec| MachineSpec { foreign: Vec::new(), ..spec.clone() };
        assert_eq!(plain(&again), plain(&spec));
    }

    #[test]
    fn a_path_says_which_end_it_is() {
        for (words, to) in [("file=/run/c", Endpoint::File), ("socket=/run/c", Endpoint::Unix)] {
            let line = format!("cloud-hypervisor --kernel /k --console off --serial {words}");
            let spec = read(&line).expect("a command line").spec;
            assert_eq!((spec.serials[0].to, spec.serials[0].path.as_deref()), (to, Some("/run/c")));
            let written = write(&spec);
            assert!(written.text.contains(&format!("--serial {words}")), "{}", written.text);
            assert_eq!(written.remarks.iter().find(|one| one.item.contains("serial")), None);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, told) in [
            ("cloud-hypervisor --cpus boots=4", "there is no `boots`"),
            ("cloud-hypervisor --cpus boot=x", "`x` is no value of `boot`"),
            ("cloud-hypervisor --disk path=[a", "bracket"),
            ("cloud-hypervisor --kernel", "one value is wanted"),
            ("cloud-hypervisor --disk --cpus boot=1", "a value is wanted"),
            ("cloud-hypervisor --kernel 'a", "quotation mark"),
            ("cloud-hypervisor", "at least one of"),
        ] {
            let error = read(line).expect_err(line).to_string();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
