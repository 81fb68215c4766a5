//! The script that the other host's shell reads: fixed functions, then one line for each thing to read. Every word of
//! it is a constant of this program; nothing of what was read is ever put into a command.

use super::probes::{self, Told};
use crate::asking::condition::Condition;
use crate::asking::{self, ASKING, libvirt};
use crate::commands::ALLOWED;
use crate::limits::Limits;
use crate::mark::Mark;
use std::fmt::Write as _;
use vmwright_model::{Need, Probe};

/// Files that say which host it is.
const WHO: [&str; 3] = ["/etc/machine-id", "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease"];

/// What every script begins with. `$M` is the mark; a part is a line of the mark and a letter, then bytes, then a
/// line end: `n` a name, `k` the content, `l` the size and the end of a log that is too large, `e` there, `a` absent,
/// `d` denied, `r` not regular, `s` a command's failed status and what it said, `o` more files than may match, `t` out
/// of time, `z` the end.
const FUNCTIONS: &str = r#"LC_ALL=C; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH; cd /
T=; command -v timeout >/dev/null 2>&1 && T="timeout 10"
F='if [ -f "$1" ]; then
  if ! [ -r "$1" ]; then printf "\n%s d\n" "$3"
  else
    s=0; case $1 in /var/log/*|*.log) s=$(wc -c <"$1");; esac
    if [ $s -lt "$2" ]; then printf "\n%s k\n" "$3"; head -c "$2" "$1"
    else printf "\n%s l\n%s\n" "$3" $s; tail -c $(($2 - 1)) "$1"; fi
  fi
elif [ -e "$1" ]; then printf "\n%s r\n" "$3"
else case $(ls -d "$1" 2>&1) in *"ermission denied"*) printf "\n%s d\n" "$3";; *) printf "\n%s a\n" "$3";; esac
fi'
f() {
  b n; printf %s "$1"
  case $1 in
    /proc/*|/sys/*) ( set -- "$1" "$2" "$M"; eval "$F" ) </dev/null 2>/dev/null;;
    *) $T sh -c "$F" sh "$1" "$2" "$M" </dev/null 2>/dev/null; [ $? = 124 ] && b t;;
  esac
}
x() {
  b n; printf %s "$1"
  if [ -e "$1" ]; then b e; else
    case $(ls -d "$1" 2>&1) in *"ermission denied"*) b d;; *) b a;; esac
  fi
}
g() {
  l=$1 m=$2 p=$3 d=$4; shift 4
  if [ -d "$d" ] && ! { [ -r "$d" ] && [ -x "$d" ]; }; then b n; printf %s "$p"; b d; return; fi
  if ! [ -e "$1" ] && ! [ -L "$1" ]; then b n; printf %s "$p"; b a; return; fi
  if [ $# -gt $m ]; then b n; printf %s "$p"; b o; fi
  i=0
  for q in "$@"; do i=$((i + 1)); [ $i -gt $m ] && break; f "$q" "$l"; done
}
c() {
  l=$1; shift
  b n; printf %s "$*"
  command -v "$1" >/dev/null 2>&1 || { b a; return; }
  b k
  { $T "$@" </dev/null 2>/dev/null; s=$?
    [ $s = 0 ] || { b s; printf '%s ' $s; $T "$@" </dev/null 2>&1 >/dev/null | head -n 1; }; } | head -c "$l"
}
P='for d in /proc/[0-9]*; do
  read -r a <$d/comm || continue
  case $a in qemu-*|kvm|CPU\ */KVM|firecracker|cloud-hyperviso*|fc_vcpu*) ;; *) continue;; esac
  e=$(readlink $d/exe); e=${e%" (deleted)"}; e=${e##*/}
  [ -n "$e" ] || e=$a
  case $e in qemu-system-*|qemu-kvm|kvm|firecracker|cloud-hypervisor) ;; *) continue;; esac
  printf "pid %s user %s exe %s : " "${d#/proc/}" "$(stat -c %U $d)" "$e"
  tr "\000\n" " ?" <$d/cmdline | sed "s/ $//"; echo
done; true'
I='for d in /sys/class/net/*; do
  [ -d $d ] || continue
  k=virtual
  if [ -e $d/bridge ]; then k=bridge; elif [ -e $d/brport ]; then k=bridge-port
  elif [ -e $d/tun_flags ]; then k=tap; elif [ -e $d/device ]; then k=physical; fi
  s=$(cat $d/operstate 2>/dev/null); echo "${d##*/} $k ${s:-unknown}"
done | LC_ALL=C sort'
"#;

/// What the probes' functions need too; those run in a shell of their own, so that their time is bounded.
const SHARED: &str = r#"b() { printf '\n%s %s\n' "$M" "$1"; }
w() { b n; printf %s "$*"; }
"#;

/// A word for a POSIX shell, in quotes.
#[must_use]
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A pattern for the shell: its stars stay stars.
fn pattern(text: &str) -> String {
    text.split('*')
        .map(|part| if part.is_empty() { String::new() } else { quoted(part) })
        .collect::<Vec<_>>()
        .join("*")
}

/// The whole script for these needs.
pub(super) fn script(needs: &[Need], limits: &Limits, mark: &Mark) -> String {
    let mut text = format!(
        "M={}\n{FUNCTIONS}S=$(cat <<'END'\n{SHARED}{}END\n)\nexport M T\neval \"$S\"\n",
        mark.as_str(),
        probes::FUNCTIONS
    );
    let who = WHO.map(Need::File);
    for need in needs.iter().chain(&who) {
        // One byte more than the limit shows that a text is larger. Writing to a string cannot fail.
        let _ = match need {
            Need::File(path) => writeln!(text, "f {} {}", quoted(path), limits.of_live_file(path) + 1),
            Need::Exists(path) => writeln!(text, "x {}", quoted(path)),
            Need::Glob(glob) => {
                let fixed = glob.split('*').next().unwrap_or(glob);
                let folder = fixed.rsplit_once('/').map_or("/", |(folder, _)| folder);
                let (each, most) = (limits.of_live_file(glob) + 1, limits.matches);
                writeln!(text, "g {each} {most} {} {} {}", quoted(glob), quoted(folder), pattern(glob))
            }
            Need::Command(words) => command(&mut text, words, limits),
            Need::Probe(Probe::Vmms) => probe(&mut text, "vmm-processes", "$P", "none", limits),
            Need::Probe(Probe::Interfaces) => probe(&mut text, "interfaces", "$I", "", limits),
            Need::Probe(Probe::Libvirt) => ask_libvirt(&mut text, limits),
            Need::Probe(probe) => match probes::told(*probe) {
                Some(told) => tell(&mut text, &told, limits),
                None => Ok(()),
            },
        };
    }
    text.push_str("b z\n");
    text
}

fn command(text: &mut String, words: &[&str], limits: &Limits) -> std::fmt::Result {
    let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let (line, most) = (line.join(" "), limits.command + 1);
    if ALLOWED.contains(&words) {
        return writeln!(text, "c {most} {line}");
    }
    match ASKING.iter().find(|asking| asking.words == words) {
        Some(asking) => {
            let condition = asking.shell_condition();
            writeln!(text, "if {{ {condition}; }} 2>/dev/null; then c {most} {line}; else w {line}; b a; fi")
        }
        None => Ok(()),
    }
}

fn probe(text: &mut String, name: &str, code: &str, empty: &str, limits: &Limits) -> std::fmt::Result {
    let (name, most) = (quoted(name), limits.command + 1);
    writeln!(
        text,
        "b n; printf %s {name}; b k; o=$($T sh -c \"{code}\" </dev/null 2>/dev/null | head -c {most})"
    )?;
    writeln!(text, "printf '%s\\n' \"${{o:-{empty}}}\"")
}

/// A probe of [`probes`], where what it reads is there.
fn tell(text: &mut String, told: &Told, limits: &Limits) -> std::fmt::Result {
    let (call, most, empty) = (&told.call, limits.command + 1, told.empty);
    let run = format!("$T sh -c \"$S\n\"{} </dev/null 2>/dev/null | head -c {most}", quoted(call));
    let Some((name, path)) = told.record else { return writeln!(text, "{run}") };
    writeln!(text, "w {name}; if [ -r {path} ]; then b k; o=$({run})")?;
    writeln!(text, "printf '%s\\n' \"${{o:-{empty}}}\"; elif [ -e {path} ]; then b d; else b a; fi")
}

/// The questions of [`libvirt`], put one by one. A name that looks like an option is left out.
fn ask_libvirt(text: &mut String, limits: &Limits) -> std::fmt::Result {
    let virsh = "$T virsh -r -c qemu:///system";
    let (running, most) = (Condition::Daemon(libvirt::DAEMONS).shell(), limits.command + 1);
    writeln!(text, "if {{ {running}; }} 2>/dev/null; then")?;
    for words in libvirt::GENERAL {
        writeln!(text, "w virsh -r {words}; b k; {virsh} {words} </dev/null 2>/dev/null")?;
    }
    for (list, dump) in libvirt::LISTS {
        writeln!(
            text,
            "{virsh} {list} --name </dev/null 2>/dev/null | head -n {} | while IFS= read -r n; do\n\
             case $n in ''|-*) continue;; esac; w virsh -r {dump} \"$n\"; b k\n\
             {virsh} {dump} \"$n\" </dev/null 2>/dev/null | head -c {most}; done",
            libvirt::MOST
        )?;
    }
    writeln!(text, "else w {}; b a; fi", libvirt::NAME)
}

/// Records of probes that this script cannot make.
pub(super) fn not_over_ssh(needs: &[Need]) -> Vec<String> {
    let left = needs.iter().filter_map(|need| match need {
        Need::Probe(Probe::Vmms | Probe::Interfaces | Probe::Libvirt) => None,
        Need::Probe(probe) if probes::told(*probe).is_some() => None,
        Need::Probe(probe) => Some(format!("probe {}", name(*probe))),
        _ => None,
    });
    left.collect()
}

/// A probe by the name that it has in outputs.
fn name(probe: Probe) -> String {
    let text = serde_json::to_string(&probe).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

/// What the script reads.
pub(super) fn work_list(needs: &[Need]) -> Vec<String> {
    let mut list: Vec<String> = WHO.map(str::to_owned).to_vec();
    list.extend(needs.iter().filter_map(|need| match need {
        Need::File(path) | Need::Glob(path) => Some((*path).to_owned()),
        Need::Exists(path) => Some(format!("whether there is a {path}")),
        Need::Command(words) => Some(asking::planned(words)),
        Need::Probe(Probe::Vmms) => Some("/proc: command line, program and user of VMM processes".to_owned()),
        Need::Probe(Probe::Interfaces) => Some("/sys/class/net: kind and state of each interface".to_owned()),
        Need::Probe(Probe::Libvirt) => Some("virsh -r: libvirt's domains, networks, pools".to_owned()),
        Need::Probe(probe) => probes::told(*probe).map(|told| told.reads.to_owned()),
    }));
    list.sort();
    list.dedup();
    list
}
