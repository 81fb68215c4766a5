//! Settings of kernel modules: files of `/etc/modprobe.d` (modprobe.d(5)), `modprobe -c`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// `options MODULE name=value ...`.
    Options {
        /// Module.
        module: String,
        /// Its parameters; the value is none where there is no `=`.
        parameters: Vec<(String, Option<String>)>,
    },
    /// `blacklist MODULE`.
    Blacklist(String),
    /// `softdep MODULE pre: a b post: c`.
    Softdep {
        /// Module.
        module: String,
        /// Loaded before it.
        pre: Vec<String>,
        /// Loaded after it.
        post: Vec<String>,
    },
    /// `alias PATTERN MODULE`.
    Alias(String, String),
    /// `install MODULE command`.
    Install(String, String),
    /// `remove MODULE command`.
    Remove(String, String),
}

/// The directives of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModprobeConf {
    /// In the order of the text. Module names have `_` for `-`.
    pub directives: Vec<Spanned<Directive>>,
}

impl ModprobeConf {
    /// The last value given to a module's parameter.
    #[must_use]
    pub fn option(&self, module: &str, parameter: &str) -> Option<Spanned<&str>> {
        let wanted = module.replace('-', "_");
        self.directives.iter().rev().find_map(|directive| {
            let Directive::Options { module, parameters } = &directive.value else { return None };
            let (_, value) =
                parameters.iter().rev().find(|(name, _)| *module == wanted && name == parameter)?;
            Some(Spanned::new(value.as_deref().unwrap_or_default(), directive.line))
        })
    }

    /// The line that keeps a module from being loaded: `blacklist`, or `install` with a command that does nothing.
    #[must_use]
    pub fn blocked(&self, module: &str) -> Option<u32> {
        let wanted = module.replace('-', "_");
        let blocks = |directive: &&Spanned<Directive>| match &directive.value {
            Directive::Blacklist(module) => *module == wanted,
            Directive::Install(module, command) => {
                *module == wanted
                    && (command.ends_with("/true") || command.ends_with("/false") || command == "false")
            }
            _ => false,
        };
        self.directives.iter().find(blocks).map(|directive| directive.line)
    }

    /// The line that loads a module before another.
    #[must_use]
    pub fn loaded_before(&self, first: &str, module: &str) -> Option<u32> {
        let (first, module) = (first.replace('-', "_"), module.replace('-', "_"));
        let orders = |directive: &&Spanned<Directive>| matches!(&directive.value, Directive::Softdep { module: of, pre, .. } if *of == module && pre.contains(&first));
        self.directives.iter().find(orders).map(|directive| directive.line)
    }
}

impl View for ModprobeConf {
    const KIND: Kind = Kind::new("modprobe_conf");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &["options", "blacklist", "softdep", "alias", "install", "remove"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut joined = String::new();
        let mut first = 0;
        for (number, line) in lines(text) {
            // A backslash at the end joins lines (modprobe.d(5)).
            if joined.is_empty() {
                first = number;
            }
            if let Some(line) = line.strip_suffix('\\') {
                joined.push_str(line);
                joined.push(' ');
                continue;
            }
            joined.push_str(line);
            let whole = std::mem::take(&mut joined);
            let whole = whole.trim();
            if whole.is_empty() || whole.starts_with('#') {
                continue;
            }
            match directive(whole) {
                Some(directive) => view.directives.push(Spanned::new(directive, first)),
                None => issues.push(Issue::new(first, "not a directive of modprobe.d(5)")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let content = |line: &str| !line.trim_start().starts_with('#') && directive(line.trim()).is_some();
        let (hits, _) = crate::lines::share(head, content);
        let (comments, all) = crate::lines::share(head, |line| line.trim_start().starts_with('#'));
        let named = name.contains("modprobe") || name.ends_with(".conf");
        match (hits > 0 && hits * 3 >= (all - comments) * 2, named) {
            (true, true) => 92,
            (true, false) => 80,
            _ if name.contains("modprobe") => 30,
            _ => 0,
        }
    }
}

fn directive(line: &str) -> Option<Directive> {
    let (word, rest) = line.split_once([' ', '\t'])?;
    let rest = rest.trim();
    let mut words = rest.split_whitespace();
    let module = words.next().filter(|module| {
        module.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:*[]".contains(&byte))
    })?;
    let name = module.replace('-', "_");
    let command = || rest[module.len()..].trim().to_owned();
    Some(match word {
        "options" => Directive::Options {
            module: name,
            parameters: words
                .map(|word| match word.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (word.to_owned(), None),
                })
                .collect(),
        },
        "blacklist" if words.next().is_none_or(|word| word.starts_with('#')) => Directive::Blacklist(name),
        "softdep" => {
            let (mut pre, mut post, mut in_post) = (Vec::new(), Vec::new(), None);
            for word in words {
                match (word, in_post) {
                    ("pre:", _) => in_post = Some(false),
                    ("post:", _) => in_post = Some(true),
                    (module, Some(false)) => pre.push(module.replace('-', "_")),
                    (module, Some(true)) => post.push(module.replace('-', "_")),
                    (_, None) => {}
                }
            }
            in_post?;
            Directive::Softdep { module: name, pre, post }
        }
        "alias" => Directive::Alias(module.to_owned(), words.next()?.replace('-', "_")),
        "install" if is_command(&command()) => Directive::Install(name, command()),
        "remove" if is_command(&command()) => Directive::Remove(name, command()),
        _ => return None,
    })
}

/// "install the package" of a sentence is no directive.
fn is_command(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.starts_with('/')
        || matches!(word, "modprobe" | "insmod" | "rmmod" | "true" | "false" | "echo" | "sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# gpu\noptions vfio-pci ids=10de:1b80,10de:10f0 \\\n  disable_vga=1\nblacklist nouveau\nsoftdep nvidia pre: vfio-pci\ninstall snd_hda_intel /bin/true\nwhat is this\n";

    #[test]
    fn directives() {
        let (view, issues) = ModprobeConf::read(TEXT);
        assert_eq!(issues, [Issue::new(7, "not a directive of modprobe.d(5)")]);
        assert_eq!(view.option("vfio_pci", "ids"), Some(Spanned::new("10de:1b80,10de:10f0", 2)));
        assert_eq!(view.option("vfio_pci", "disable_vga"), Some(Spanned::new("1", 2)));
        assert_eq!(view.blocked("nouveau"), Some(4));
        assert_eq!(view.blocked("snd-hda-intel"), Some(6));
        assert_eq!(view.blocked("nvidia"), None);
        assert_eq!(view.loaded_before("vfio_pci", "nvidia"), Some(5));
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(ModprobeConf::recognise("x", TEXT), 80);
        assert_eq!(ModprobeConf::recognise("vfio.conf", TEXT), 92);
        assert_eq!(
            ModprobeConf::recognise("x", "install the package\nremove the cable and wait\nhello\n"),
            0
        );
    }
}
