//! Which entries are meant, and in which order they come.
//!
//! Signs first ([`crate::signs`]): an entry that shares more of them, and rarer ones, stands before one that shares fewer.
//! Then entries that have every word before those that have some; verified before pending before superseded and stale;
//! then by BM25; then the newest. Words that a great part of the journal has tell nothing apart, and to score all entries
//! that have them would take time that grows with the journal: such words only count where they stand together with rarer
//! ones, or where there is no rarer one, and then the newest entries are taken.
//!
//! A rare word bounds whatever it stands together with: the index goes from one of its few entries to the next. Common words
//! that seldom stand together, or as a phrase, would be looked for through the whole journal. They are looked for among the
//! newest [`RECENT`] entries.
//!
//! With a model of words ([`Meaning`]) rare words that are used like those of the question are looked for too, and BM25 and
//! what is meant decide together where BM25 decides alone otherwise.

use crate::meaning::{self, Meaning};
use crate::{ANSWER_LIMIT, Error, Journal, query, signs};
use rusqlite::{OptionalExtension, Statement, Transaction, params, params_from_iter};
use std::collections::HashMap;
use vmwright_model::{Entry, EntryId, EntryState};

/// A word that so many entries have is common.
const COMMON: i64 = 250;

/// Among so many of the newest entries words are looked for that are common each by itself.
const RECENT: i64 = 20_000;

/// Most entries that are scored: the rarest words are taken, as long as not more entries than these have them.
const MOST_SCORED: i64 = 400;

/// Most entries that one way of looking brings, where no more are asked for.
const MOST_FOUND: usize = 400;

/// Most entries that are read as a whole where all are wanted, whosever they are and whatever they are about.
const MOST_READ: usize = 48;

/// Whose entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whose {
    /// Those of the project, and those that belong to none.
    #[default]
    Both,
    /// Those that belong to no project.
    User,
    /// Those of the project; of any, where none is named.
    Project,
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub whose: Whose,
    /// The project; all of them where none is named.
    pub project: Option<String>,
    /// Only entries with one of these sections: the words of a `## Head`, in any case, `_` for a space.
    pub sections: Vec<String>,
    /// Only entries written at this time or later, RFC 3339, UTC.
    pub since: Option<String>,
}

impl Filter {
    /// Whether an entry is one of them.
    #[must_use]
    pub fn takes(&self, entry: &Entry) -> bool {
        let of_project = match (&entry.project, &self.project) {
            (Some(project), Some(wanted)) => project == wanted,
            (project, _) => project.is_some(),
        };
        let whose = match self.whose {
            Whose::Both => entry.project.is_none() || of_project,
            Whose::User => entry.project.is_none(),
            Whose::Project => of_project,
        };
        let recent = self.since.as_ref().is_none_or(|since| entry.written >= *since);
        whose
            && recent
            && (self.sections.is_empty() || self.sections.iter().any(|name| has_section(&entry.body, name)))
    }
}

fn has_section(body: &str, name: &str) -> bool {
    let plain = |text: &str| text.trim().to_lowercase().replace(['_', '-'], " ");
    let wanted = plain(name);
    body.lines().filter_map(|line| line.strip_prefix("## ")).any(|head| plain(head) == wanted)
}

/// How well an entry answers, but for its state.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    /// Sum over the shared signs, each the more the fewer entries have it.
    signs: f64,
    /// Whether it has every word.
    every: bool,
    /// As FTS5 gives it; the smaller the better.
    bm25: f64,
}

/// An entry that was found, whole, and what supersedes it.
type Found = (EntryId, Entry, Score, Option<i64>);

impl Journal {
    /// Entries about the words of `query`, best first (see the head of `search.rs`). The query is words, never a query
    /// language. An older version of an entry that is in the answer is left out.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Corrupt`] and the others of SQLite.
    pub fn search(&self, query: &str, limit: usize) -> Result<Vec<(EntryId, Entry)>, Error> {
        self.search_in(query, limit, &Filter::default())
    }

    /// As [`Journal::search`], among some entries.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn search_in(
        &self,
        query: &str,
        limit: usize,
        filter: &Filter,
    ) -> Result<Vec<(EntryId, Entry)>, Error> {
        self.search_meant(query, limit, filter, None)
    }

    /// As [`Journal::search_in`], with a model of words where there is one.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn search_meant(
        &self,
        query: &str,
        limit: usize,
        filter: &Filter,
        meaning: Option<&dyn Meaning>,
    ) -> Result<Vec<(EntryId, Entry)>, Error> {
        let limit = limit.min(ANSWER_LIMIT);
        let _now = self.as_of_now()?;
        let read = |source| self.site.error("read", source);
        let mut found = self.candidates(query, limit).map_err(read)?;
        let Some(meaning) = meaning else { return self.best(found, limit, filter, &mut |_| {}) };
        self.add_near(meaning, query, &mut found).map_err(read)?;
        self.best(found, limit, filter, &mut |whole| {
            let all: Vec<_> = whole.iter().map(|(id, entry, score, _)| (*id, entry, score.bm25)).collect();
            let worth = meaning::fused(meaning, query, &all);
            // The smaller the better, as BM25 is.
            whole
                .iter_mut()
                .for_each(|(id, _, score, _)| score.bm25 = -worth.get(id).copied().unwrap_or(0.0));
        })
    }

    /// Adds entries that have rare words which are used like those of the question.
    fn add_near(
        &self,
        meaning: &dyn Meaning,
        question: &str,
        found: &mut HashMap<i64, Score>,
    ) -> rusqlite::Result<()> {
        let mut count = self.connection.prepare(query::COUNT_WORD)?;
        let mut newest = self.connection.prepare(query::NEWEST)?;
        for term in meaning::terms(meaning, question) {
            let entries: i64 = count.query_row(params![term, COMMON, 0], |row| row.get(0))?;
            if entries < COMMON {
                for id in newest.query_map(params![term, COMMON, 0], |row| row.get(0))? {
                    found.entry(id?).or_default();
                }
            }
        }
        Ok(())
    }

    /// Entries that look like `question`: they share a sign with it, or most of the words in it that are not everyday
    /// ones. Steps of thinking are none.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn recall(&self, question: &str, host: &str, limit: usize) -> Result<Vec<(EntryId, Entry)>, Error> {
        let words = query::telling(question);
        let _now = self.as_of_now()?;
        let found = self.candidates(question, limit).map_err(|source| self.site.error("read", source))?;
        let mut alike = self.best(found, 16 * limit.max(1), &Filter::default(), &mut |_| {})?;
        let asked = signs::of_question(question);
        alike.retain(|(_, entry)| {
            // A VM's name tells something on its own host alone.
            let shared =
                |sign: &String| asked.contains(sign) && (!sign.starts_with("vm ") || entry.host_id == host);
            entry.operation != "thought"
                && (signs::of_entry(entry).iter().any(shared) || query::shares_most(&words, entry))
        });
        alike.truncate(limit);
        Ok(alike)
    }

    /// One view of the journal for all questions of a search, and one lock of its file instead of one for each.
    fn as_of_now(&self) -> Result<Transaction<'_>, Error> {
        self.connection.unchecked_transaction().map_err(|source| self.site.error("read", source))
    }

    /// Entries that may answer, with their scores.
    fn candidates(&self, question: &str, limit: usize) -> rusqlite::Result<HashMap<i64, Score>> {
        let most = i64::try_from(limit.max(MOST_FOUND)).unwrap_or(i64::MAX);
        let mut found: HashMap<i64, Score> = HashMap::new();
        if self.signs {
            let mut count = self.connection.prepare(query::COUNT_SIGN)?;
            let mut newest = self.connection.prepare(query::WITH_SIGN)?;
            for sign in signs::of_question(question) {
                let entries: i64 = count.query_row(params![sign, most], |row| row.get(0))?;
                let weight = 1.0 / (1.0 + (entries as f64).ln_1p());
                for id in newest.query_map(params![sign, most], |row| row.get(0))? {
                    found.entry(id?).or_default().signs += weight;
                }
            }
        }
        let last: i64 = self.connection.query_row(query::LAST, [], |row| row.get(0))?;
        let recent = (last - RECENT).max(0);
        let terms = query::terms(question);
        let mut counted = Vec::new();
        let mut count = self.connection.prepare(query::COUNT_WORD)?;
        for term in &terms {
            counted.push((entries_with(term, recent, &mut count)?, term.clone()));
        }
        counted.sort();
        // One rare word bounds all that has to stand together with it.
        let from = if counted.first().is_some_and(|(entries, _)| *entries < COMMON) { 0 } else { recent };
        let mut scored = 0;
        let rare = counted.iter().filter(|(entries, _)| (1..COMMON).contains(entries));
        let rare = rare.take_while(|(entries, _)| {
            scored += entries;
            scored <= MOST_SCORED
        });
        let rare: Vec<String> = rare.map(|(_, term)| term.clone()).collect();
        if let Some(expression) = query::any(&rare) {
            let mut scored = self.connection.prepare(query::SCORED)?;
            let rows = scored.query_map(params![expression, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for row in rows {
                let (id, bm25): (i64, f64) = row?;
                found.entry(id).or_default().bm25 = bm25;
            }
        }
        // A word that no entry has keeps every entry from having all.
        if counted.first().is_some_and(|(entries, _)| *entries > 0)
            && let Some(expression) = query::every(&terms)
        {
            let mut newest = self.connection.prepare(query::NEWEST)?;
            for id in newest.query_map(params![expression, most, from], |row| row.get(0))? {
                found.entry(id?).or_default().every = true;
            }
        }
        // Common words that no entry has all of: each by itself, so that something is found.
        if found.is_empty() {
            let mut newest = self.connection.prepare(query::NEWEST)?;
            for (_, term) in counted.iter().filter(|(entries, _)| *entries > 0).take(2) {
                let from = if query::tokens(term).len() > 1 { recent } else { 0 };
                for id in newest.query_map(params![term, most, from], |row| row.get(0))? {
                    found.entry(id?).or_default();
                }
            }
        }
        Ok(found)
    }

    /// The best of them, whole. `weigh` may change the scores of those that are read.
    fn best(
        &self,
        found: HashMap<i64, Score>,
        limit: usize,
        filter: &Filter,
        weigh: &mut dyn FnMut(&mut [Found]),
    ) -> Result<Vec<(EntryId, Entry)>, Error> {
        let mut ranked: Vec<(i64, Score)> = found.into_iter().collect();
        ranked.sort_by(|(left, a), (right, b)| {
            (b.signs.total_cmp(&a.signs))
                .then(b.every.cmp(&a.every))
                .then(a.bm25.total_cmp(&b.bm25))
                .then(right.cmp(left))
        });
        // Where only some are wanted, those may come late.
        let read = if *filter == Filter::default() { MOST_READ.max(2 * limit) } else { MOST_FOUND };
        ranked.truncate(limit.max(read));
        let whole = self.whole(&ranked).map_err(|source| self.site.error("read", source))?;
        let there: Vec<i64> = whole.iter().map(|(id, ..)| id.0).collect();
        let mut whole = whole;
        whole.retain(|(_, entry, _, newer)| {
            filter.takes(entry) && newer.is_none_or(|newer| !there.contains(&newer))
        });
        weigh(&mut whole);
        whole.sort_by(|(left, one, a, _), (right, other, b, _)| {
            (b.signs.total_cmp(&a.signs))
                .then(b.every.cmp(&a.every))
                .then(trust(one.state).cmp(&trust(other.state)))
                .then(a.bm25.total_cmp(&b.bm25))
                .then(right.cmp(left))
        });
        Ok(whole.into_iter().take(limit).map(|(id, entry, ..)| (id, entry)).collect())
    }

    /// Entries with their scores, and with what supersedes them.
    fn whole(&self, ranked: &[(i64, Score)]) -> rusqlite::Result<Vec<Found>> {
        let mut show = self.connection.prepare(&self.fitting(query::SHOW))?;
        let mut newer = self.connection.prepare(query::NEWER)?;
        let mut whole = Vec::with_capacity(ranked.len());
        for (id, score) in ranked {
            if let Some((id, entry)) = show.query_row([id], crate::entry).optional()? {
                whole.push((id, entry, *score, newer.query_row([id.0], |row| row.get(0)).optional()?));
            }
        }
        Ok(whole)
    }

    /// The newest entries, newest first; superseded ones too.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn list(&self, limit: usize) -> Result<Vec<(EntryId, Entry)>, Error> {
        self.list_in(limit, &Filter::default())
    }

    /// As [`Journal::list`], among some entries.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn list_in(&self, limit: usize, filter: &Filter) -> Result<Vec<(EntryId, Entry)>, Error> {
        let limit = limit.min(ANSWER_LIMIT);
        let mut found = Vec::new();
        self.each_in(filter, &mut |id, entry| {
            if found.len() < limit {
                found.push((id, entry));
            }
            found.len() < limit
        })?;
        Ok(found)
    }

    /// Gives every entry that is wanted to `each`, newest first, until it says no; superseded ones too.
    ///
    /// # Errors
    /// As [`Journal::search`].
    pub fn each_in(
        &self,
        filter: &Filter,
        each: &mut dyn FnMut(EntryId, Entry) -> bool,
    ) -> Result<(), Error> {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&self.fitting(query::LIST))?;
            // Those that were taken in from files are older than their neighbours: all are looked at.
            for row in statement.query_map(params_from_iter(std::iter::empty::<i64>()), crate::entry)? {
                let (id, entry) = row?;
                if filter.takes(&entry) && !each(id, entry) {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|source| self.site.error("read", source))
    }
}

/// How many entries have a term, counted up to [`COMMON`]. A phrase whose words are all common counts as common where it is
/// among the entries from `recent` on, and is not looked for elsewhere.
fn entries_with(term: &str, recent: i64, count: &mut Statement<'_>) -> rusqlite::Result<i64> {
    let mut entries = |term: &str, from: i64| -> rusqlite::Result<i64> {
        count.query_row(params![term, COMMON, from], |row| row.get(0))
    };
    let tokens = query::tokens(term);
    if tokens.len() > 1 {
        let mut rarest = COMMON;
        for token in &tokens {
            rarest = rarest.min(entries(token, 0)?);
        }
        if rarest >= COMMON {
            return Ok(if entries(term, recent)? > 0 { COMMON } else { 0 });
        }
    }
    entries(term, 0)
}

/// The smaller the better.
fn trust(state: EntryState) -> u8 {
    match state {
        EntryState::Verified => 0,
        EntryState::Pending => 1,
        EntryState::Superseded | EntryState::Stale => 2,
    }
}
