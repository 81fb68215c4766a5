use super::*;
use std::fs;
use tempfile::TempDir;

fn note(title: &str, state: EntryState) -> Entry {
    Entry {
        title: title.to_owned(),
        body: String::new(),
        operation: "note".to_owned(),
        host_id: "feed".to_owned(),
        rules: vec!["storage/image-locked".to_owned()],
        evidence: Vec::new(),
        state,
        written: "2026-01-01T00:00:00Z".to_owned(),
        project: None,
    }
}

fn fresh() -> (TempDir, Journal) {
    let folder = TempDir::new().unwrap();
    let journal = Journal::open(&folder.path().join("journal.db")).unwrap();
    (folder, journal)
}

fn titles(found: &[(EntryId, Entry)]) -> Vec<&str> {
    found.iter().map(|(_, entry)| entry.title.as_str()).collect()
}

#[test]
fn what_is_appended_comes_back() {
    let (folder, mut journal) = fresh();
    let mut entry = note("disk \"a\" holds a write lock", EntryState::Verified);
    entry.body = "line one\nline two \u{1F980} \0 end".to_owned();
    entry.evidence = vec!["run 17".to_owned(), "/var/lib/x/report.html".to_owned()];
    assert_eq!(journal.append(&entry).unwrap(), EntryId(1));
    drop(journal);
    let journal = Journal::open(&folder.path().join("journal.db")).unwrap();
    assert_eq!(journal.show(EntryId(1)).unwrap(), Some(entry));
    assert_eq!(journal.show(EntryId(2)).unwrap(), None);
    assert_eq!(journal.verify().unwrap(), 1);
}

/// The chain's canonical form is an interface: this hash was computed by hand with `sha256sum` over 32 zero bytes
/// and the JSON text, and must never change.
#[test]
fn the_canonical_form_is_fixed() {
    let (_folder, mut journal) = fresh();
    journal.append(&note("first", EntryState::Pending)).unwrap();
    let (id, head) = journal.head().unwrap().unwrap();
    assert_eq!(
        (id.0, head.as_str()),
        (1, "7a029d57d149264972e35ee438eeca683cddcc5691768a241c82a3f02e1a92b7")
    );
}

#[test]
fn every_word_comes_before_some_and_verified_before_pending() {
    let (_folder, mut journal) = fresh();
    for (title, state) in [
        ("write lock on the disk", EntryState::Stale),
        ("write lock on the image", EntryState::Pending),
        ("a long story in which somewhere near its end a write lock is named", EntryState::Verified),
        ("a lock of another kind", EntryState::Verified),
        ("nothing of it", EntryState::Verified),
    ] {
        let mut entry = note(title, state);
        entry.rules.clear();
        journal.append(&entry).unwrap();
    }
    let found = journal.search("write lock", 10).unwrap();
    assert_eq!(
        titles(&found),
        [
            "a long story in which somewhere near its end a write lock is named",
            "write lock on the image",
            "write lock on the disk",
            "a lock of another kind",
        ]
    );
    assert_eq!(journal.search("write lock", 2).unwrap(), found[..2]);
    assert!(journal.search("write lock", 0).unwrap().is_empty());
    assert!(journal.search("", 10).unwrap().is_empty());
    assert_eq!(journal.search("LOCKED", 10).unwrap().len(), 4, "word forms are found");
    journal.append(&note("x", EntryState::Pending)).unwrap();
    assert_eq!(journal.search("storage/image-locked", 10).unwrap().len(), 1, "rules are found");
}

#[test]
fn a_new_state_is_a_new_entry() {
    let (_folder, mut journal) = fresh();
    let first = journal.append(&note("write lock", EntryState::Pending)).unwrap();
    let other = journal.append(&note("write lock elsewhere", EntryState::Pending)).unwrap();
    let second = journal
        .restate(
            first,
            EntryState::Verified,
            &["run 3".to_owned(), "run 3".to_owned()],
            "2026-01-02T00:00:00Z",
        )
        .unwrap();
    let third =
        journal.restate(first, EntryState::Stale, &["run 3".to_owned()], "2026-01-03T00:00:00Z").unwrap();
    let state = |id| journal.show(id).unwrap().unwrap().state;
    assert_eq!(state(first), EntryState::Superseded);
    assert_eq!(state(second), EntryState::Superseded, "the newest version is the one that was restated");
    assert_eq!(state(third), EntryState::Stale);
    let newest = journal.show(third).unwrap().unwrap();
    assert_eq!((newest.evidence.len(), newest.written.as_str()), (1, "2026-01-03T00:00:00Z"));
    let ids: Vec<_> = journal.search("write lock", 10).unwrap().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [other, third], "older versions of an entry in the answer are left out");
    let ids: Vec<_> = journal.list(10).unwrap().iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, [4, 3, 2, 1]);
    assert!(matches!(
        journal.supersede(EntryId(99), &note("x", EntryState::Pending)),
        Err(Error::NoSuchEntry { id: EntryId(99) })
    ));
    assert_eq!(journal.verify().unwrap(), 4);
}

#[test]
fn a_query_is_words_whatever_it_looks_like() {
    let (_folder, mut journal) = fresh();
    journal.append(&note("plain OR simple", EntryState::Pending)).unwrap();
    for query in [
        "\"",
        "\"\"",
        "'",
        "*",
        "plain*",
        "title:plain",
        "NEAR(plain simple)",
        "plain AND",
        "NOT plain",
        "^plain",
        "plain\0simple",
        "(",
        "{title}:",
        "a\u{301}",
        "\u{301}",
        "-plain",
        "+",
        "' OR 1=1; DROP TABLE entry; --",
        "\u{200d}",
        "x\ty\n",
        ".*",
        "%",
        "\\",
    ] {
        journal.search(query, 10).unwrap_or_else(|error| panic!("{query:?}: {error}"));
    }
    assert_eq!(journal.search("title:plain", 10).unwrap().len(), 0, "a colon is no column filter");
    assert_eq!(journal.search("plain\0simple", 10).unwrap().len(), 1);
    let endless = "plain ".repeat(100_000) + &"z".repeat(1_000_000);
    assert_eq!(journal.search(&endless, 10).unwrap().len(), 1);
}

#[test]
fn nothing_changes_or_deletes_an_entry() {
    let (folder, mut journal) = fresh();
    journal.append(&note("one", EntryState::Pending)).unwrap();
    journal.append(&note("two", EntryState::Pending)).unwrap();
    let direct = Connection::open(folder.path().join("journal.db")).unwrap();
    let columns = "id, title, body, operation, host_id, rules, evidence, state, written, previous, hash";
    for sql in [
        "UPDATE entry SET title = 'x'".to_owned(),
        "DELETE FROM entry".to_owned(),
        "DELETE FROM entry WHERE id = 2".to_owned(),
        format!("INSERT OR REPLACE INTO entry ({columns}) SELECT {columns} FROM entry WHERE id = 2"),
        format!(
            "INSERT INTO entry ({columns}) SELECT {} FROM entry WHERE id = 2",
            columns.replace("id, title", "9, title")
        ),
        format!(
            "INSERT INTO entry ({columns}) SELECT {} FROM entry WHERE id = 2",
            columns.replace("id, title", "3, title")
        ),
    ] {
        let error = direct.execute_batch(&sql).expect_err(&sql).to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(journal.verify().unwrap(), 2);
    assert_eq!(titles(&journal.list(9).unwrap()), ["two", "one"]);
}

/// Takes the guards off as an intruder would, alters the file, puts them back.
fn tamper(path: &Path, sql: &str) {
    let direct = Connection::open(path).unwrap();
    let guards: Vec<(String, String)> = direct
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (name, _) in &guards {
        direct.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    direct.execute_batch(sql).unwrap();
    for (_, sql) in &guards {
        direct.execute_batch(sql).unwrap();
    }
}

#[test]
fn tampering_is_found_and_placed() {
    for (sql, at) in [
        ("UPDATE entry SET title = 'x' WHERE id = 2", 2),
        ("UPDATE entry SET evidence = '[\"forged\"]' WHERE id = 3", 3),
        ("UPDATE entry SET evidence = 'no list' WHERE id = 3", 3),
        ("UPDATE entry SET state = 'verified' WHERE id = 1", 1),
        ("UPDATE entry SET state = 'certain' WHERE id = 1", 1),
        ("UPDATE entry SET supersedes = 1 WHERE id = 4", 4),
        ("UPDATE entry SET hash = zeroblob(32) WHERE id = 2", 2),
        ("UPDATE entry SET hash = x'00' WHERE id = 2", 2),
        ("UPDATE entry SET previous = zeroblob(32) WHERE id = 4", 4),
        ("DELETE FROM entry WHERE id = 2", 2),
        ("DELETE FROM entry WHERE id = 1", 1),
        ("DELETE FROM entry WHERE id = 4", 4),
        ("DELETE FROM entry", 1),
    ] {
        let (folder, mut journal) = fresh();
        for title in ["one", "two", "three", "four"] {
            journal.append(&note(title, EntryState::Pending)).unwrap();
        }
        drop(journal);
        let path = folder.path().join("journal.db");
        tamper(&path, sql);
        match Journal::open(&path).unwrap().verify() {
            Err(Error::Broken { at: found, .. }) => assert_eq!(found.0, at, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn a_journal_without_its_guards_is_refused() {
    let (folder, journal) = fresh();
    drop(journal);
    let path = folder.path().join("journal.db");
    Connection::open(&path).unwrap().execute_batch("DROP TRIGGER entry_never_goes").unwrap();
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.contains("append-only"), "{error}");
}

#[test]
fn a_full_disk_loses_nothing() {
    let (_folder, mut journal) = fresh();
    journal.append(&note("before", EntryState::Verified)).unwrap();
    let pages: i64 = journal.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    // SQLite's own limit gives the same SQLITE_FULL as a file system without space.
    journal.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let mut large = note("large", EntryState::Pending);
    large.body = "words ".repeat(20_000);
    assert!(matches!(journal.append(&large), Err(Error::Full { .. })));
    assert_eq!(titles(&journal.list(9).unwrap()), ["before"]);
    assert_eq!(journal.search("before", 9).unwrap().len(), 1);
    assert_eq!(journal.verify().unwrap(), 1);
    journal.connection.pragma_update(None, "max_page_count", 100_000).unwrap();
    assert_eq!(journal.append(&large).unwrap(), EntryId(2));
    assert_eq!(journal.verify().unwrap(), 2);
}

#[test]
fn an_entry_has_a_limit() {
    let (_folder, mut journal) = fresh();
    let mut large = note("large", EntryState::Pending);
    large.body = "x".repeat(ENTRY_LIMIT);
    assert!(matches!(journal.append(&large), Err(Error::TooLarge { limit: ENTRY_LIMIT, .. })));
    assert_eq!(journal.verify().unwrap(), 0);
}

#[test]
fn a_newer_journal_is_not_touched() {
    let (folder, mut journal) = fresh();
    journal.append(&note("from the future", EntryState::Pending)).unwrap();
    drop(journal);
    let path = folder.path().join("journal.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let before = fs::read(&path).unwrap();
    for opened in [Journal::open(&path), Journal::open_read_only(&path)] {
        let error = opened.unwrap_err();
        assert!(matches!(error, Error::Newer { found: 7, known: 2, .. }), "{error}");
        assert!(error.to_string().contains("newer vmwright"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_journal_is_refused_and_not_touched() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "not a database, but long enough to look at. ".repeat(100)).unwrap();
    fs::write(path("short"), "x").unwrap();
    fs::write(path("binary"), (0..=255).cycle().take(9000).collect::<Vec<u8>>()).unwrap();
    Connection::open(path("other")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    fs::create_dir(path("directory")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::RUSR).unwrap();
    let before: Vec<_> =
        ["text", "short", "binary", "other"].map(|name| fs::read(path(name)).unwrap()).into();
    for (name, wanted) in [
        ("text", "is damaged: not an SQLite file"),
        ("short", "is damaged: not an SQLite file"),
        ("binary", "is damaged: not an SQLite file"),
        ("other", "is an SQLite file, but not a journal"),
        ("directory", "is not a regular file"),
        ("fifo", "is not a regular file"),
    ] {
        for opened in [Journal::open(&path(name)), Journal::open_read_only(&path(name))] {
            let error = opened.unwrap_err().to_string();
            assert!(error.ends_with(wanted), "{name}: {error}");
        }
    }
    let after: Vec<_> = ["text", "short", "binary", "other"].map(|name| fs::read(path(name)).unwrap()).into();
    assert_eq!(before, after);
    assert!(matches!(Journal::open(&path("no/such/folder")), Err(Error::Unreadable { .. })));
}

#[test]
fn damage_anywhere_gives_an_error_and_never_a_panic() {
    let (folder, mut journal) = fresh();
    for n in 0..40 {
        journal.append(&note(&format!("entry {n} of many"), EntryState::Pending)).unwrap();
    }
    drop(journal);
    let good = fs::read(folder.path().join("journal.db")).unwrap();
    let path = folder.path().join("damaged.db");
    let all = Journal::open(&folder.path().join("journal.db")).unwrap().list(100).unwrap();
    let mut noticed = 0;
    for at in (100..good.len()).step_by(good.len() / 60) {
        for cut in [true, false] {
            let mut bytes = good.clone();
            if cut {
                bytes.truncate(at);
            } else {
                let end = (at + 300).min(bytes.len());
                bytes[at..end].fill(0xA5);
            }
            fs::write(&path, &bytes).unwrap();
            let Ok(journal) = Journal::open_read_only(&path) else {
                noticed += 1;
                continue;
            };
            let (found, listed) = (journal.search("entry many", 100), journal.list(100));
            if journal.verify().is_ok() {
                // Then the damage fell on free space.
                assert_eq!(listed.unwrap(), all, "{at} {cut}");
                assert_eq!(found.unwrap().len(), all.len(), "{at} {cut}");
            } else {
                noticed += 1;
            }
        }
    }
    assert!(noticed > 60, "{noticed} damages of about 120 were noticed");
}

#[test]
fn reading_makes_no_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let mut journal = Journal::open_read_only(&path).unwrap();
    assert!(journal.search("anything", 10).unwrap().is_empty());
    assert_eq!((journal.list(10).unwrap().len(), journal.verify().unwrap()), (0, 0));
    drop(journal);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // A creator that died before its first page leaves an empty file.
    fs::write(&path, "").unwrap();
    assert!(Journal::open_read_only(&path).unwrap().list(1).unwrap().is_empty());
    Journal::open(&path).unwrap().append(&note("x", EntryState::Pending)).unwrap();
    journal = Journal::open_read_only(&path).unwrap();
    assert!(matches!(journal.append(&note("y", EntryState::Pending)), Err(Error::ReadOnly { .. })));
}

#[test]
fn a_lock_held_too_long_is_named() {
    let (folder, mut journal) = fresh();
    journal.append(&note("x", EntryState::Pending)).unwrap();
    let path = folder.path().join("journal.db");
    let holder = Connection::open(&path).unwrap();
    let mut waiting = Journal::open_waiting(&path, Duration::from_millis(150)).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = std::time::Instant::now();
    let error = waiting.append(&note("y", EntryState::Pending)).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(waiting.append(&note("y", EntryState::Pending)).unwrap(), EntryId(2));
}

#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, _journal) = fresh();
    let mode = fs::metadata(folder.path().join("journal.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_recalled_shares_a_sign_or_most_telling_words() {
    let (_folder, mut journal) = fresh();
    let mut add = |operation: &str, title: &str, body: &str| {
        let mut entry = note(title, EntryState::Pending);
        (entry.operation, entry.body, entry.rules) = (operation.to_owned(), body.to_owned(), Vec::new());
        journal.append(&entry).unwrap()
    };
    let locked = add("analyze", "web does not start, something holds its disk image", "");
    add("analyze", "my VM does not start any more", "");
    let vfio = add("note", "the card at 0000:01:00.0 needs a reset", "group 12");
    add("thought", "the card at 0000:01:00.0 may need a reset", "");
    let web = add("analyze", "vm web: it is slow", "");
    let recalled = |question: &str, host: &str| -> Vec<EntryId> {
        journal.recall(question, host, 3).unwrap().into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(recalled("the VM does not start", "feed"), [], "everyday words alone");
    assert_eq!(recalled("what is wrong with this host", "feed"), []);
    assert_eq!(recalled("who holds the image of this disk?", "feed"), [locked]);
    assert_eq!(recalled("vfio 01:00.0: group is not viable", "feed"), [vfio]);
    assert_eq!(recalled("what is wrong with vm web", "feed"), [web]);
    assert_eq!(recalled("what is wrong with vm web", "other"), [], "a VM of this name on another host");
}

#[test]
fn signs_come_before_words() {
    let (_folder, mut journal) = fresh();
    for title in ["group is not viable group not viable", "the device 10de:2204 resets"] {
        let mut entry = note(title, EntryState::Verified);
        entry.rules.clear();
        journal.append(&entry).unwrap();
    }
    let found = journal.search("group not viable 10DE:2204", 10).unwrap();
    assert_eq!(titles(&found), ["the device 10de:2204 resets", "group is not viable group not viable"]);
}

#[test]
fn projects_and_sections_narrow_a_search() {
    let (_folder, mut journal) = fresh();
    for (project, body) in
        [(None, "## Feelings\n\nlock"), (Some("/a"), "lock"), (Some("/b"), "## Technical Insights\n\nlock")]
    {
        let mut entry = note("lock", EntryState::Pending);
        (entry.project, entry.body) = (project.map(str::to_owned), body.to_owned());
        journal.append(&entry).unwrap();
    }
    let search = |whose, project: Option<&str>, sections: &[&str]| -> Vec<i64> {
        let filter = Filter {
            whose,
            project: project.map(str::to_owned),
            sections: sections.iter().map(|one| (*one).to_owned()).collect(),
            since: None,
        };
        let mut ids: Vec<i64> =
            journal.search_in("lock", 10, &filter).unwrap().into_iter().map(|(id, _)| id.0).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(search(Whose::Both, Some("/a"), &[]), [1, 2]);
    assert_eq!(search(Whose::Both, None, &[]), [1, 2, 3]);
    assert_eq!(search(Whose::User, Some("/a"), &[]), [1]);
    assert_eq!(search(Whose::Project, Some("/b"), &[]), [3]);
    assert_eq!(search(Whose::Both, None, &["technical_insights", "feelings"]), [1, 3]);
    assert_eq!(journal.verify().unwrap(), 3);
}

/// A journal of the first layout, as an older vmwright left it.
fn first_layout(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(schema::LAYOUT).unwrap();
    connection.pragma_update(None, "application_id", 0x766d_7772).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let one = note("first 10de:2204", EntryState::Pending);
    let hash = chain::hash(&chain::ROOT, &chain::content(EntryId(1), None, &one));
    connection
        .execute(
            "INSERT INTO entry (id, title, body, operation, host_id, rules, evidence, state, written, previous, hash) \
             VALUES (1, ?1, '', 'note', 'feed', ?2, '[]', 'pending', ?3, ?4, ?5)",
            params![one.title, list_to_text(&one.rules), one.written, chain::ROOT, hash],
        )
        .unwrap();
}

#[test]
fn a_journal_of_the_first_layout_is_brought_up_and_its_chain_holds() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    first_layout(&path);
    let reader = Journal::open_read_only(&path).unwrap();
    assert_eq!((reader.verify().unwrap(), reader.search("first", 10).unwrap().len()), (1, 1));
    assert_eq!(reader.list(10).unwrap().len(), 1);
    drop(reader);
    let mut journal = Journal::open(&path).unwrap();
    assert_eq!(journal.search("10de:2204", 10).unwrap().len(), 1);
    journal.append(&note("second", EntryState::Pending)).unwrap();
    assert_eq!(journal.verify().unwrap(), 2);
    let signs: i64 = journal.connection.query_row("SELECT count(*) FROM sign", [], |row| row.get(0)).unwrap();
    assert_eq!(signs, 3, "one id, and the rule of both");
}

/// A model that knows two pairs of words.
struct Pairs;

impl Meaning for Pairs {
    fn near(&self, word: &str) -> Vec<String> {
        let near = match word {
            "throttled" => &["slow"][..],
            "credentials" => &["password"],
            _ => &[],
        };
        near.iter().map(|word| (*word).to_owned()).collect()
    }

    fn alike(&self, one: &[String], other: &[String]) -> Option<f64> {
        let near = one.iter().flat_map(|word| self.near(word));
        let shared = near.filter(|word| other.contains(word)).count();
        (!other.is_empty()).then_some(shared as f64)
    }
}

#[test]
fn a_model_of_words_finds_what_is_said_otherwise_and_keeps_what_is_said_the_same_first() {
    let (folder, mut journal) = fresh();
    let add = |journal: &mut Journal, title: &str| {
        let mut entry = note(title, EntryState::Pending);
        entry.rules.clear();
        journal.append(&entry).unwrap()
    };
    let slow = add(&mut journal, "the disk of web is slow at night");
    let other = add(&mut journal, "the bridge lost its address");
    let throttled = add(&mut journal, "the network was throttled by a cap");
    let reader = Journal::open_read_only(&folder.path().join("journal.db")).unwrap();
    let filter = Filter::default();
    let found = |query: &str, meaning: Option<&dyn Meaning>| -> Vec<EntryId> {
        let all = reader.search_meant(query, 10, &filter, meaning).unwrap();
        all.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(found("throttled", None), [throttled]);
    assert_eq!(found("throttled", Some(&Pairs)), [throttled, slow]);
    assert_eq!(found("credentials", Some(&Pairs)), [], "nobody speaks of passwords");
    assert_eq!(found("bridge", Some(&Pairs)), [other]);
    // Of two that have the word, the one that also means it comes first, though the other is newer.
    let meant = add(
        &mut journal,
        "night: slow, and throttled again by the quota of the pool, as before, and before that too",
    );
    let newer = add(&mut journal, "throttled");
    let query = "throttled credentials";
    let plain = found(query, None);
    assert_eq!(plain[0], newer, "the shorter one");
    let place = |all: &[EntryId], id| all.iter().position(|one| *one == id).unwrap();
    let with = found(query, Some(&Pairs));
    assert!(place(&with, meant) < place(&plain, meant), "{plain:?} {with:?}");
}

#[test]
fn what_follows_a_light_entry_is_forced_to_the_disk_again() {
    let (_folder, mut journal) = fresh();
    // FULL is 2 (sqlite.org/pragma.html).
    let forced = |journal: &Journal| {
        journal.connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap() == 2
    };
    assert!(forced(&journal));
    journal.append_lightly(&note("light", EntryState::Pending)).unwrap();
    assert!(forced(&journal));
    let pages: i64 = journal.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    journal.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let mut large = note("large", EntryState::Pending);
    large.body = "words ".repeat(20_000);
    assert!(matches!(journal.append_lightly(&large), Err(Error::Full { .. })));
    assert!(forced(&journal));
    assert_eq!(journal.verify().unwrap(), 1);
}
