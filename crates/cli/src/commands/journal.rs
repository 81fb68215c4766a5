use std::io::Read;
use vmwright_engine::Operation;

/// Search and read what was learned.
#[derive(clap::Subcommand)]
pub(crate) enum Journal {
    /// Entries that match, best first.
    Search {
        /// Words; punctuation is text.
        query: String,
        /// At most so many.
        #[arg(long, default_value_t = 10)]
        limit: usize,
    },
    /// The newest entries.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 10)]
        limit: usize,
    },
    /// One entry.
    Show {
        /// Its number.
        entry: i64,
    },
    /// Write an entry; the text comes from standard input where it is not given.
    Add {
        /// One line.
        title: String,
        /// The text, Markdown.
        body: Option<String>,
    },
    /// Check the journal's hash chain.
    Verify,
}

impl Journal {
    pub(crate) fn operation(self) -> anyhow::Result<Operation> {
        Ok(match self {
            Journal::Search { query, limit } => Operation::JournalSearch { query, limit },
            Journal::List { limit } => Operation::JournalList { limit },
            Journal::Show { entry } => Operation::JournalShow { entry },
            Journal::Add { title, body: Some(body) } => Operation::JournalAdd { title, body },
            Journal::Add { title, body: None } => {
                let mut body = String::new();
                std::io::stdin().take(1 << 20).read_to_string(&mut body)?;
                Operation::JournalAdd { title, body }
            }
            Journal::Verify => Operation::JournalVerify,
        })
    }
}
