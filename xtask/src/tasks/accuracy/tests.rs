use super::*;
use std::fs;

/// Cases made on the spot, and what came of them with a program that answers with a file of the evidence.
fn bench(cases: &[(&str, &str, &str)]) -> (tempfile::TempDir, Vec<case::Row>) {
    let root = tempfile::tempdir().unwrap();
    // Not written on the spot: a program that any process still has open for writing cannot be started.
    let bin = workspace::root().join("xtask/src/tasks/accuracy/fake.sh");
    for (name, label, answer) in cases {
        let folder = root.path().join("cases/deep").join(name);
        fs::create_dir_all(folder.join("evidence/sub")).unwrap();
        fs::write(folder.join("case.toml"), label).unwrap();
        fs::write(folder.join("symptom.txt"), "it does not start\n").unwrap();
        fs::write(
            folder.join("evidence/qemu.log"),
            "first line\nFailed to get \"write\" lock\r\nthird\rfourth",
        )
        .unwrap();
        fs::write(folder.join("evidence/sub/x"), "deep quote\n").unwrap();
        let (answer, status) = answer.split_once('|').unwrap_or((answer, "1"));
        fs::write(folder.join("evidence/answer"), answer).unwrap();
        fs::write(folder.join("evidence/status"), status).unwrap();
    }
    let mut folders = Vec::new();
    find_cases(&root.path().join("cases"), &mut folders).unwrap();
    folders.sort();
    let rows = measure(&bin, &folders, 2).unwrap();
    (root, rows)
}

fn causes(names: &[&str]) -> String {
    let list: Vec<String> = names.iter().map(|name| format!("{{\"rule\": \"{name}\"}}")).collect();
    format!("{{\"causes\": [{}], \"unknown\": [{{\"rule\": \"net/lost\"}}]}}", list.join(","))
}

#[test]
fn every_figure_is_counted_as_its_name_says() {
    let right = causes(&["disk/locked", "net/down"]);
    let second = causes(&["net/down", "disk/locked"]);
    let fourth = causes(&["net/down", "a/b", "c/d", "disk/locked"]);
    let nothing = causes(&[]);
    let (_root, rows) = bench(&[
        ("a-right", "cause = \"disk/locked\"", &right),
        ("b-second", "cause = \"disk/locked\"\naccept = []", &second),
        ("c-fourth", "cause = \"disk/locked\"", &fourth),
        ("d-accepted", "cause = \"disk/other\"\naccept = [\"net/down\"]", &second),
        ("e-silent", "cause = \"net/lost\"", &nothing),
        ("f-healthy", "cause = \"healthy/no-fault\"", &nothing),
        ("g-alarm", "cause = \"healthy/no-fault\"", &right),
        ("h-usage", "cause = \"disk/locked\"", &format!("{right}|2")),
        ("i-garbage", "cause = \"disk/locked\"", "no json|0"),
        ("j-shape", "cause = \"disk/locked\"", "{\"causes\": [{}]}|0"),
        ("k-incomplete", "cause = \"disk/locked\"", &format!("{right}|3")),
    ]);
    let by = |id: &str| rows.iter().find(|row| row.id == id).unwrap();
    assert_eq!((by("a-right").top1, by("b-second").top1, by("b-second").top3), (true, false, true));
    assert_eq!((by("c-fourth").top3, by("d-accepted").top1, by("k-incomplete").top1), (false, true, true));
    assert_eq!((by("f-healthy").top1, by("g-alarm").top1), (true, false));
    assert!(by("e-silent").could_not_tell && !by("a-right").could_not_tell);
    assert_eq!(by("h-usage").crash, "exit status: 2");
    assert!(by("i-garbage").crash.contains("not JSON") && by("j-shape").crash.contains("causes"));
    let text = report::text(&rows, true);
    let closing = text.lines().last().unwrap();
    let (closing, median) = closing.split_once("  median ").unwrap();
    assert_eq!(
        closing,
        "cases 11  top-1 33.3%  top-3 44.4%  quotes true - of 0  false alarms 50.0% of 2  silent 4  could not tell 1  \
         crashes 3"
    );
    assert!(median.ends_with(" ms"));
    assert!(text.contains("   2: disk/locked -> net/down\n"), "{text}");
    let areas: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("area"))
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(areas.contains(&vec!["disk", "8", "66.7%", "37.5%", "0.0%"]), "{areas:?}");
    assert!(areas.contains(&vec!["net", "1", "33.3%", "0.0%", "100.0%"]), "{areas:?}");
    let json: serde_json::Value = serde_json::from_str(&report::json(&rows)).unwrap();
    assert_eq!(json["summary"]["crashes"], 3);
    assert_eq!(json["cases"][1]["got"][0], "net/down");
}

#[test]
fn a_quote_is_true_where_it_stands_and_nowhere_else() {
    let quote = |source: &str, line: &str, quote: &str| {
        format!("{{\"source\": \"{source}\", \"line\": {line}, \"quote\": \"{quote}\"}}")
    };
    let items = [
        (quote("qemu.log", "2", "get \\\"write\\\" lock"), true),
        (quote("qemu.log", "2", "  Failed to get  \\n and more"), true),
        (quote("qemu.log", "3", "third"), true),
        (quote("qemu.log", "4", "fourth"), true),
        (quote("sub/x", "1", "deep quote"), true),
        (quote("qemu.log", "1", "get \\\"write\\\" lock"), false),
        (quote("qemu.log", "0", "fourth"), false),
        (quote("qemu.log", "5", "fourth"), false),
        (quote("qemu.log", "-1", "fourth"), false),
        (quote("qemu.log", "1", ""), false),
        (quote("none.log", "1", "first"), false),
        (quote("../symptom.txt", "1", "it does"), false),
        (quote("/etc/passwd", "1", "root"), false),
        ("{}".to_owned(), false),
    ];
    let list: Vec<&str> = items.iter().map(|(item, _)| item.as_str()).collect();
    let answer = format!("{{\"causes\": [{{\"rule\": \"a/b\", \"evidence\": [{}]}}]}}", list.join(","));
    let (_root, rows) = bench(&[("a", "cause = \"a/b\"", &answer)]);
    assert_eq!(rows[0].quotes, items.map(|(_, stands)| stands));
}

#[test]
fn only_the_first_three_causes_are_quoted_from() {
    let one =
        "{\"rule\": \"a/b\", \"evidence\": [{\"source\": \"qemu.log\", \"line\": 1, \"quote\": \"first\"}]}";
    let answer = format!("{{\"causes\": [{one},{one},{one},{one}]}}");
    let (_root, rows) = bench(&[("a", "cause = \"a/b\"", &answer)]);
    assert_eq!(rows[0].quotes, [true; 3]);
}

#[test]
fn a_case_without_label_and_a_folder_without_cases_are_errors() {
    let root = tempfile::tempdir().unwrap();
    let text = root.path().display().to_string();
    let error = run(&[text.clone(), "--bin".to_owned(), "/bin/true".to_owned()]).unwrap_err().to_string();
    assert_eq!(error, format!("no case.toml below {text}"));
    fs::write(root.path().join("case.toml"), "kause = 1").unwrap();
    let error = run(&[text, "--bin".to_owned(), "/bin/true".to_owned()]).unwrap_err().to_string();
    assert!(error.ends_with("case.toml has no `cause`"), "{error}");
    assert!(options(&["--jobs".to_owned(), "0".to_owned()]).is_err());
    assert!(options(&["dir".to_owned(), "--jsn".to_owned()]).is_err());
    assert!(options(&["dir".to_owned(), "--bin".to_owned()]).is_err());
}

#[test]
fn lines_end_where_editors_end_them() {
    assert_eq!(case::lines("a\nb\r\nc\rd\u{2028}e\u{c}f"), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(case::lines("a\n\nb\n"), ["a", "", "b"]);
    assert!(case::lines("").is_empty());
}
