use anyhow::Context;
use std::io::Read;
use std::path::PathBuf;
use vmwright_engine::{Operation, Which, Who};

/// Search and read what was learned.
#[derive(clap::Subcommand)]
pub(crate) enum Journal {
    /// Entries that match, best first.
    ///
    /// Signs that a question and an entry share (a rule, an error code, a PCI id) count most, then words, then whether the
    /// entry is verified, then how well the words fit. Where /etc/vmwright/word-vectors holds word vectors (a word a line,
    /// its numbers behind it, as word2vec, fastText and GloVe write them as text), entries that say the same in other words
    /// are found too. Nothing is fetched or sent.
    Search {
        /// Words; punctuation is text.
        query: String,
        /// At most so many.
        #[arg(long, default_value_t = 10)]
        limit: usize,
        #[command(flatten)]
        whose: Whose,
        /// Only entries with one of these sections: `technical-insights`, `feelings`.
        #[arg(long, value_name = "SECTION", value_delimiter = ',')]
        sections: Vec<String>,
    },
    /// The newest entries.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 10)]
        limit: usize,
        #[command(flatten)]
        whose: Whose,
        /// Not older than so many days.
        #[arg(long)]
        days: Option<u64>,
    },
    /// One entry.
    Show {
        /// Its number, or its path among exported ones.
        #[arg(value_parser = number)]
        entry: i64,
    },
    /// Write an entry; the text comes from standard input where it is not given.
    Add {
        /// One line.
        title: String,
        /// The text, Markdown.
        body: Option<String>,
        /// The project that it belongs to: the path of its folder. Without it, it is known in all of them.
        #[arg(long, value_name = "DIR")]
        project: Option<PathBuf>,
    },
    /// Check the journal's hash chain.
    Verify,
    /// Write entries as Markdown files, in the form of private-journal: DIR/2026-01-31/09-15-00-000042.md.
    Export {
        /// The folder; made where absent. A file that is there and says something else stays.
        dir: PathBuf,
        #[command(flatten)]
        whose: Whose,
    },
    /// Take entries in from Markdown files, vmwright's own or private-journal's: as pending, each once, without secrets.
    Import {
        /// The folder, with the folders of the days in it.
        dir: PathBuf,
        /// The project that they belong to: the path of its folder. Without it, they are known in all of them.
        #[arg(long, value_name = "DIR")]
        project: Option<PathBuf>,
    },
}

/// Whose entries.
#[derive(clap::Args)]
pub(crate) struct Whose {
    /// Entries of the project, of none (user), or both.
    #[arg(long = "type", value_name = "WHOSE", default_value = "both", value_parser = ["project", "user", "both"])]
    who: String,
    /// The project: the path of its folder [default: all of them].
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

impl Whose {
    fn which(self) -> anyhow::Result<Which> {
        let who = match self.who.as_str() {
            "user" => Who::User,
            "project" => Who::Project,
            _ => Who::Both,
        };
        Ok(Which { who, project: folder(self.project)?, ..Which::default() })
    }
}

/// A project's folder as entries name it.
fn folder(path: Option<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    path.map(|path| path.canonicalize().with_context(|| path.display().to_string())).transpose()
}

fn number(text: &str) -> Result<i64, &'static str> {
    vmwright_engine::entry_number(text)
        .ok_or("neither the number of an entry nor its path, 2026-01-31/09-15-00-000042.md")
}

impl Journal {
    pub(crate) fn operation(self) -> anyhow::Result<Operation> {
        Ok(match self {
            Journal::Search { query, limit, whose, sections } => {
                Operation::JournalSearch { query, limit, which: Which { sections, ..whose.which()? } }
            }
            Journal::List { limit, whose, days } => {
                Operation::JournalList { limit, which: Which { days, ..whose.which()? } }
            }
            Journal::Show { entry } => Operation::JournalShow { entry },
            Journal::Add { title, body: Some(body), project } => {
                Operation::JournalAdd { title, body, project: folder(project)?, thought: false }
            }
            Journal::Add { title, body: None, project } => {
                let mut body = String::new();
                std::io::stdin().take(1 << 20).read_to_string(&mut body)?;
                Operation::JournalAdd { title, body, project: folder(project)?, thought: false }
            }
            Journal::Verify => Operation::JournalVerify,
            Journal::Export { dir, whose } => Operation::JournalExport { to: dir, which: whose.which()? },
            Journal::Import { dir, project } => {
                Operation::JournalImport { from: dir, project: folder(project)? }
            }
        })
    }
}
