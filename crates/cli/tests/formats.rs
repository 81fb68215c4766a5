//! Every format of an analysis: what it promises to its readers, with the strings that would break each of them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Done, Site};
use roxmltree::Document;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const USAGE: i32 = 2;
const FORMATS: [&str; 8] = ["text", "json", "concise", "jsonl", "sarif", "junit", "markdown", "html"];
const REPORTS: [&str; 5] = ["concise", "sarif", "junit", "markdown", "html"];

/// Ends scripts, CDATA, comments, code blocks and attributes; steers terminals; turns and hides text; is a link,
/// a table cell, an argument.
const HOSTILE: &str = "</script><script>alert(1)</script>]]>--><img src=x onerror=alert(2)>&amp;&#x1b; \u{1b}[2J\u{1b}]8;;http://e\u{7} \u{9b}31m \
    \u{202e}gnol\u{2066} \u{200b}\u{feff}\u{e0041}\u{fffe} `` ```` ~~~ ``` \" ' | [x](http://evil.example) www.evil.example {0} {{ *b* __c__ $m$ \\";

/// Two causes and a consequence, all with hostile quotes; a hostile title, complaint and file name.
struct Planted {
    site: Site,
    complaint: PathBuf,
}

const SELECT: &str = "storage/image-locked,libvirt/tool-missing,libvirt/default-network-inactive";

impl Planted {
    fn new() -> Self {
        let site = Site::new();
        let long = "long ".repeat(4_000);
        site.file(
            "logs/qemu.log",
            format!("{HOSTILE}\n```\nqemu: Failed to get \"write\" lock {HOSTILE} {long}\nIs another process using the image? `````\n"),
        );
        site.file(
            "logs/virsh.txt",
            format!(
                "error: Failed to start network {HOSTILE}\n\
                 error: Cannot check dnsmasq binary /usr/sbin/dnsmasq: No such file or directory {HOSTILE}\n"
            ),
        );
        // Not text, and so not read: its name stands in the list of those.
        site.file("logs/a<b>`]]>\u{1b}[2J\u{202e}|.log", b"qemu\0: Failed to get \"write\" lock\n");
        let complaint = site.file("complaint.txt", format!("{HOSTILE}\0 it does not start\n"));
        Self { site, complaint }
    }

    /// From an empty state, so that the journal knows nothing yet.
    fn analyze(&self, format: &str) -> Done {
        let _ = fs::remove_dir_all(self.site.path("state"));
        let (logs, complaint) = (self.site.path("logs"), &self.complaint);
        let done = self.site.call(&[
            "analyze",
            "--from",
            logs.to_str().unwrap(),
            "--symptom-file",
            complaint.to_str().unwrap(),
            "--select",
            SELECT,
            "--format",
            format,
        ]);
        assert_eq!(done.status, 1, "{format}: {}", done.err);
        done
    }

    fn causes(&self) -> Vec<Value> {
        let causes = self.analyze("json").json()["causes"].as_array().unwrap().clone();
        assert_eq!(causes.len(), 3, "{causes:#?}");
        assert!(
            causes.iter().any(|cause| cause["title"].as_str().unwrap().contains("<script>")),
            "{causes:#?}"
        );
        causes
    }
}

/// A folder in which nothing was written that could have told.
fn untold(site: &Site, format: &str) -> Done {
    site.file("untold/domain.xml", "<domain type='kvm'>\n  <name>web</name>\n</domain>\n");
    site.call(&["analyze", "--from", site.path("untold").to_str().unwrap(), "--format", format])
}

/// What no reader may be given as it is: it obeys these and does not show them.
fn is_unseen(character: char) -> bool {
    character.is_control() && character != '\n'
        || "\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{fffe}".contains(character)
}

#[test]
fn the_same_analysis_gives_the_same_bytes_and_none_that_steers_its_reader() {
    let planted = Planted::new();
    for format in FORMATS {
        let done = planted.analyze(format);
        let unseen: Vec<char> = done.out.chars().filter(|c| is_unseen(*c)).collect();
        assert!(unseen.is_empty(), "{format}: {unseen:?}");
        let unseen: Vec<char> = done.err.chars().filter(|c| is_unseen(*c)).collect();
        assert!(unseen.is_empty(), "{format}, progress: {unseen:?}");
        assert_eq!(done.out, planted.analyze(format).out, "{format}");
    }
}

#[test]
fn concise_has_one_line_for_each_cause() {
    let planted = Planted::new();
    let causes = planted.causes();
    let out = planted.analyze("concise").out;
    assert_eq!(out.lines().count(), causes.len(), "{out}");
    for (line, cause) in out.lines().zip(&causes) {
        let quote = &cause["evidence"][0];
        let place = format!("{}:{}: ", quote["source"].as_str().unwrap(), quote["line"]);
        let rule = format!("error[{}]: ", cause["rule"].as_str().unwrap());
        assert!(line.starts_with(&format!("{place}{rule}")), "{line}");
        assert_eq!(line.contains("a consequence of"), !cause["explained_by"].is_null(), "{line}");
    }
    let site = Site::new();
    assert_eq!(untold(&site, "concise").out, "", "no cause, no line");
}

#[test]
fn a_line_of_json_lines_is_the_json() {
    let planted = Planted::new();
    let line = planted.analyze("jsonl").out;
    assert_eq!(line.lines().count(), 1);
    assert!(line.ends_with('\n'));
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), planted.analyze("json").json());
    let site = Site::new();
    let rules = site.call(&["rules", "--area", "storage", "--format", "jsonl"]).ok();
    assert_eq!(rules.out.lines().count(), 1);
    assert_eq!(rules.json()["outcome"], "rules");
}

/// Objects of SARIF 2.1.0 as its schema has them: properties that must be there, and others that we use. The
/// schema allows no others but those of its own that we leave out.
const OBJECTS: &[(&str, &[&str], &[&str])] = &[
    ("sarifLog", &["version", "runs"], &["$schema"]),
    ("run", &["tool"], &["invocations", "results", "properties"]),
    ("tool", &["driver"], &[]),
    ("toolComponent", &["name"], &["version", "semanticVersion", "rules"]),
    ("reportingDescriptor", &["id"], &["shortDescription", "help"]),
    ("multiformatMessageString", &["text"], &[]),
    ("invocation", &["executionSuccessful"], &["toolExecutionNotifications"]),
    ("notification", &["message"], &["level", "associatedRule"]),
    ("reportingDescriptorReference", &["id"], &[]),
    ("message", &["text"], &[]),
    (
        "result",
        &["message"],
        &[
            "ruleId",
            "ruleIndex",
            "kind",
            "level",
            "rank",
            "locations",
            "relatedLocations",
            "partialFingerprints",
            "properties",
        ],
    ),
    ("location", &[], &["id", "physicalLocation", "logicalLocations"]),
    ("logicalLocation", &["fullyQualifiedName"], &[]),
    ("physicalLocation", &["artifactLocation"], &["region"]),
    ("artifactLocation", &["uri"], &[]),
    ("region", &["startLine"], &["snippet"]),
    ("artifactContent", &["text"], &[]),
];

/// Checks an object's properties, and gives it back.
#[track_caller]
fn object<'a>(kind: &str, value: &'a Value) -> &'a Value {
    let (_, required, optional) = OBJECTS.iter().find(|(name, ..)| *name == kind).unwrap();
    let map = value.as_object().unwrap_or_else(|| panic!("{kind} is no object: {value}"));
    for name in *required {
        assert!(map.contains_key(*name), "{kind} has no {name}: {value}");
    }
    for name in map.keys() {
        assert!(required.contains(&&**name) || optional.contains(&&**name), "{kind} has {name}: {value}");
    }
    value
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A message without arguments, links and control characters.
fn message(value: &Value) {
    let text = object("message", value)["text"].as_str().unwrap();
    assert!(!text.is_empty() && !text.contains("](") && !text.contains(is_unseen), "{text}");
    let bare = text.replace("{{", "").replace("}}", "");
    assert!(!bare.contains(['{', '}']), "{text}");
}

fn location(value: &Value) {
    object("location", value);
    for logical in items(&value["logicalLocations"]) {
        object("logicalLocation", logical);
    }
    if let Some(physical) = value.get("physicalLocation") {
        let uri =
            object("artifactLocation", &object("physicalLocation", physical)["artifactLocation"])["uri"]
                .as_str()
                .unwrap();
        assert!(uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%:".contains(&byte)), "{uri}");
        let region = object("region", &physical["region"]);
        assert!(region["startLine"].as_u64().unwrap() >= 1);
        object("artifactContent", &region["snippet"]);
    }
}

fn check_sarif(log: &Value) {
    assert_eq!(object("sarifLog", log)["version"], "2.1.0");
    assert_eq!(items(&log["runs"]).len(), 1);
    let run = object("run", &log["runs"][0]);
    let driver = object("toolComponent", &object("tool", &run["tool"])["driver"]);
    assert_eq!(driver["name"], "vmwright");
    assert_eq!(driver["version"], env!("CARGO_PKG_VERSION"));
    let rules = items(&driver["rules"]);
    for rule in rules {
        object("reportingDescriptor", rule);
        object("multiformatMessageString", &rule["shortDescription"]);
        object("multiformatMessageString", &rule["help"]);
    }
    for invocation in items(&run["invocations"]) {
        assert!(object("invocation", invocation)["executionSuccessful"].is_boolean());
        for notification in items(&invocation["toolExecutionNotifications"]) {
            message(&object("notification", notification)["message"]);
            assert!(["note", "warning"].contains(&notification["level"].as_str().unwrap()));
            if let Some(rule) = notification.get("associatedRule") {
                object("reportingDescriptorReference", rule);
            }
        }
    }
    let results = items(&run["results"]);
    for result in results {
        object("result", result);
        message(&result["message"]);
        assert_eq!(result["kind"], "fail", "a level other than none needs it");
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!((0.0..=100.0).contains(&result["rank"].as_f64().unwrap()));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(items(&result["locations"]).len(), 1);
        items(&result["locations"]).iter().chain(items(&result["relatedLocations"])).for_each(location);
        for (_, fingerprint) in result["partialFingerprints"].as_object().unwrap() {
            assert_eq!(fingerprint.as_str().unwrap().len(), 32);
        }
    }
    let used = |rule: &Value| results.iter().any(|result| result["ruleId"] == rule["id"]);
    assert!(rules.iter().all(used), "only rules that appear");
}

#[test]
fn sarif_has_what_its_schema_requires_and_every_quote() {
    let planted = Planted::new();
    let log = planted.analyze("sarif").json();
    check_sarif(&log);
    let results = items(&log["runs"][0]["results"]);
    let causes = planted.causes();
    assert_eq!(results.len(), causes.len());
    for (result, cause) in results.iter().zip(&causes) {
        assert_eq!(result["ruleId"], cause["rule"]);
        let places = items(&result["locations"]).iter().chain(items(&result["relatedLocations"]));
        let quotes: Vec<(u64, &str)> = places
            .map(|place| &place["physicalLocation"]["region"])
            .map(|region| {
                (region["startLine"].as_u64().unwrap(), region["snippet"]["text"].as_str().unwrap())
            })
            .collect();
        let wanted: Vec<(u64, &str)> = items(&cause["evidence"])
            .iter()
            .map(|quote| (quote["line"].as_u64().unwrap(), quote["quote"].as_str().unwrap()))
            .collect();
        assert_eq!(quotes, wanted, "quotes are true to the byte");
    }
    let unread = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(unread.contains("not read: a<b>"), "{unread}");
}

#[test]
fn sarif_tells_what_is_unknown_and_stays_the_same_problem_when_a_log_grows() {
    let site = Site::new();
    let log = untold(&site, "sarif").json();
    check_sarif(&log);
    assert!(items(&log["runs"][0]["results"]).is_empty());
    let told = items(&log["runs"][0]["invocations"][0]["toolExecutionNotifications"]);
    assert!(told.iter().any(|one| one["associatedRule"]["id"] == "storage/image-locked"), "{told:#?}");

    let sarif = |text: &str| {
        let path = site.file("logs/qemu.log", text);
        let folder = path.parent().unwrap().to_str().unwrap().to_owned();
        let select = "storage/image-locked";
        let call = site.call(&["analyze", "--from", &folder, "--select", select, "--format", "sarif"]);
        call.json()["runs"][0]["results"][0].clone()
    };
    let before = sarif("qemu: Failed to get \"write\" lock\n");
    let after = sarif("grown\n2026 qemu: Failed to get \"write\" lock\n");
    assert_ne!(before["locations"], after["locations"]);
    assert_eq!(before["partialFingerprints"], after["partialFingerprints"]);
}

#[test]
fn junit_is_well_formed_and_counts_its_cases() {
    let planted = Planted::new();
    let out = planted.analyze("junit").out;
    let document = Document::parse(&out).unwrap();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!(suite.attribute("name"), Some("vmwright analyze"));
    let causes = planted.causes();
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    assert_eq!(suite.attribute("tests"), Some(&*cases.len().to_string()));
    assert_eq!(suite.attribute("failures"), Some("3"));
    for (case, cause) in cases.iter().zip(&causes) {
        assert_eq!(case.attribute("classname"), cause["rule"].as_str());
        let failure = case.children().find(|node| node.has_tag_name("failure")).unwrap();
        let text = failure.text().unwrap();
        assert!(
            text.contains("</script><script>alert(1)</script>]]>") && text.contains("\\u{1b}[2J"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() < 10_000), "a very long line is cut");
        assert!(failure.children().all(|node| node.is_text()), "nothing in it is markup");
    }
    let unread = suite.children().find(|node| node.has_tag_name("system-err")).unwrap();
    assert!(unread.text().unwrap().contains("not read: a<b>`]]>"));
}

#[test]
fn junit_skips_what_could_not_be_told_and_passes_notes() {
    let site = Site::new();
    let out = untold(&site, "junit").out;
    let document = Document::parse(&out).unwrap();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    let skipped: Vec<_> = suite.descendants().filter(|node| node.has_tag_name("skipped")).collect();
    assert!(!skipped.is_empty());
    assert_eq!(suite.attribute("skipped"), Some(&*skipped.len().to_string()));
    assert_eq!(
        suite.parent().and_then(|suites| suites.attribute("skipped")),
        None,
        "junit-10.xsd has none there"
    );
    assert_eq!(suite.attribute("failures"), Some("0"));
    for node in skipped {
        assert!(node.attribute("message").unwrap().contains("this would tell: "));
    }

    let info = "file format: qcow2\nvirtual size: 2 TiB (2199023255552 bytes)\ncluster_size: 65536\n";
    let path = site.file("note/info.txt", info);
    let (folder, select) = (path.parent().unwrap().to_str().unwrap(), "qcow2/oversized-cluster-cache");
    let out = site.call(&["analyze", "--from", folder, "--select", select, "--format", "junit"]).ok().out;
    let document = Document::parse(&out).unwrap();
    let case = document.descendants().find(|node| node.has_tag_name("testcase")).unwrap();
    assert_eq!(case.attribute("classname"), Some(select));
    let inside: Vec<&str> =
        case.children().filter(|node| node.is_element()).map(|node| node.tag_name().name()).collect();
    assert_eq!(inside, ["system-out"], "neither failed nor skipped: {out}");
}

/// Markdown as CommonMark splits it: what stands in fenced blocks, and the rest without code spans and escapes.
fn split(markdown: &str) -> (Vec<String>, String) {
    let (mut fenced, mut rest) = (Vec::new(), String::new());
    let mut open = 0;
    for line in markdown.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        if open == 0 && ticks >= 3 && !line[ticks..].contains('`') {
            open = ticks;
            fenced.push(String::new());
        } else if open > 0 && ticks >= open && line[ticks..].trim().is_empty() {
            open = 0;
        } else if open > 0 {
            fenced.last_mut().unwrap().push_str(&format!("{line}\n"));
        } else {
            rest.push_str(&format!("{}\n", unmarked(line)));
        }
    }
    assert_eq!(open, 0, "every fence is closed");
    (fenced, rest)
}

/// A line without its escapes and code spans.
fn unmarked(line: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    while let Some(character) = line[at..].chars().next() {
        if character == '\\' {
            at += 1 + line[at + 1..].chars().next().map_or(0, char::len_utf8);
        } else if character == '`' {
            let fence = line[at..].chars().take_while(|c| *c == '`').count();
            let mut end = at + fence;
            loop {
                let start = end + line[end..].find('`').expect("every code span is closed");
                let run = line[start..].chars().take_while(|c| *c == '`').count();
                end = start + run;
                if run == fence {
                    break;
                }
            }
            at = end;
        } else {
            out.push(character);
            at += character.len_utf8();
        }
    }
    out
}

#[test]
fn markdown_keeps_untrusted_text_in_its_place() {
    let planted = Planted::new();
    let out = planted.analyze("markdown").out;
    let (fenced, rest) = split(&out);
    let quotes: usize = planted.causes().iter().map(|cause| items(&cause["evidence"]).len()).sum();
    let lines: usize = fenced.iter().map(|block| block.lines().count()).sum();
    assert_eq!(lines, quotes, "a line for each quote: {fenced:#?}");
    assert!(fenced.iter().any(|block| block.contains("`````")));
    assert!(fenced.iter().all(|block| block.len() < 20_000), "a very long line is cut");
    for markup in ["<", ">", "[", "](", "://", "www.", "$", "~", "|", "_"] {
        assert!(!rest.contains(markup), "{markup} in: {rest}");
    }
    assert!(rest.contains("### Consequence: error: "), "consequences stand under their causes: {rest}");
    assert!(rest.contains("**Fix** (by hand): "));
    let last = out.lines().last().unwrap();
    assert!(last.starts_with(concat!("Assisted-By: vmwright (", env!("CARGO_PKG_VERSION"), " / ")), "{last}");
}

#[test]
fn markdown_says_what_would_tell() {
    let site = Site::new();
    let out = untold(&site, "markdown").out;
    let (_, rest) = split(&out);
    let table: Vec<&str> = rest.lines().filter(|line| line.starts_with('|')).collect();
    assert!(table.len() > 10, "{rest}");
    assert_eq!(table[0], "| rule | what would tell |");
    assert!(table.iter().all(|row| row.matches('|').count() == 3), "{table:#?}");
}

/// What a page may be built from. None of these runs or fetches anything.
const ELEMENTS: [&str; 38] = [
    "html",
    "head",
    "title",
    "style",
    "body",
    "header",
    "main",
    "footer",
    "nav",
    "section",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "span",
    "strong",
    "code",
    "ol",
    "ul",
    "li",
    "a",
    "figure",
    "figcaption",
    "div",
    "table",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "svg",
    "rect",
    "g",
    "path",
    "mark",
];
const ATTRIBUTES: [&str; 15] = [
    "lang",
    "class",
    "id",
    "href",
    "scope",
    "role",
    "viewBox",
    "width",
    "height",
    "x",
    "y",
    "rx",
    "aria-label",
    "type",
    "d",
];

/// The page as XML: it is written so that but for these heads it is both.
fn page(html: &str) -> String {
    let rest = html.strip_prefix("<!doctype html>\n").expect("a doctype");
    rest.lines().filter(|line| !line.starts_with("<meta ")).map(|line| format!("{line}\n")).collect()
}

fn check_page(html: &str) {
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ";
    assert!(html.contains(policy));
    assert_eq!(html.matches("<meta ").count(), 3);
    let xml = page(html);
    let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        assert!(ELEMENTS.contains(&name) || name == "text", "<{name}>");
        for attribute in node.attributes() {
            assert!(ATTRIBUTES.contains(&attribute.name()), "{} in <{name}>", attribute.name());
            if attribute.name() == "href" {
                let id = attribute.value().strip_prefix('#').expect("links stay in the page");
                assert!(document.descendants().any(|node| node.attribute("id") == Some(id)));
            }
        }
    }
    let style = document.descendants().find(|node| node.has_tag_name("style")).unwrap().text().unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert!(style.contains("prefers-color-scheme: dark"));
}

#[test]
fn the_page_runs_and_fetches_nothing_and_shows_everything() {
    let planted = Planted::new();
    let html = planted.analyze("html").out;
    check_page(&html);
    assert!(html.len() < 200_000, "very long lines are cut: {}", html.len());
    let xml = page(&html);
    let document = Document::parse(&xml).unwrap();
    let sections: Vec<_> = document
        .descendants()
        .filter(|node| node.attribute("id").is_some_and(|id| id.starts_with("cause-")))
        .collect();
    let causes = planted.causes();
    assert_eq!(sections.len(), causes.len());
    for section in &sections {
        let id: usize = section.attribute("id").unwrap()["cause-".len()..].parse().unwrap();
        let nested = section.ancestors().skip(1).any(|node| node.has_tag_name("section"));
        assert_eq!(nested, !causes[id]["explained_by"].is_null(), "consequences are inside their causes");
        assert!(section.descendants().any(|node| node.has_tag_name("svg")), "how sure it is");
        let own = |node: &roxmltree::Node<'_, '_>| {
            node.ancestors().find(|node| node.has_tag_name("section")) == Some(*section)
        };
        let marks = section.descendants().filter(|node| node.has_tag_name("mark")).filter(own);
        let places = items(&causes[id]["evidence"])
            .iter()
            .map(|quote| format!("{}:{}", quote["source"], quote["line"]));
        let places: std::collections::BTreeSet<String> = places.collect();
        assert_eq!(marks.count(), places.len(), "a mark for each line that is quoted");
        let text: String = section.descendants().filter_map(|node| node.text()).collect();
        for part in ["How the confidence is computed", "What would refute it", "References", "quoted data"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
    assert!(html.contains("Not read") && html.contains("a&lt;b&gt;`]]&gt;"));
    assert!(html.contains("How the process was locked"));
}

#[test]
fn quotes_stand_among_their_lines_and_without_the_secrets_of_others() {
    let site = Site::new();
    let log = "one\ntwo\n-vnc 127.0.0.1:1,password=CANARY\nthree\nqemu: Failed to get \"write\" lock\nfour\nfive\nsix\nseven\n";
    site.file("logs/qemu.log", log);
    let from = site.path("logs");
    let call = |format: &str| site.call(&["analyze", "--from", from.to_str().unwrap(), "--format", format]);
    let json = call("json").json();
    let passage = &json["causes"][0]["grounds"]["passages"][0];
    let lines: Vec<_> =
        items(&passage["lines"]).iter().map(|line| (line["number"].as_u64(), &line["quoted"])).collect();
    let expect: Vec<_> = (2..=8)
        .map(|number| (Some(number), if number == 5 { &Value::Bool(true) } else { &Value::Bool(false) }))
        .collect();
    assert_eq!(lines, expect);
    assert!(json["causes"][0]["grounds"]["refute"].as_str().unwrap().len() > 10);
    let html = call("html").out;
    check_page(&html);
    assert!(html.contains("<mark>qemu: Failed to get &quot;write&quot; lock</mark>"), "{html}");
    assert!(html.contains("<code>six</code>") && !html.contains("<code>seven</code>"));
    assert!(!html.contains("CANARY") && html.contains("[redacted:"), "{html}");
}

#[test]
fn the_page_has_a_picture_of_the_host_and_says_what_was_not_read() {
    let site = Site::new();
    let numa = "available: 2 nodes (0-1)\nnode 0 cpus: 0 1\nnode 0 size: 100 MB\nnode 0 free: 10 MB\nnode 1 cpus: 2 3\nnode 1 size: 100 MB\n";
    site.file("host/numactl-H.txt", numa);
    let domain = format!(
        "<domain type='kvm'><name>{}</name><vcpu>1</vcpu><cputune><vcpupin vcpu='0' cpuset='2'/></cputune><devices><hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev></devices></domain>\n",
        "&lt;script&gt;alert(1)&lt;/script&gt;"
    );
    site.file("host/vm.xml", domain);
    let call = |format: &str| {
        site.call(&["analyze", "--from", site.path("host").to_str().unwrap(), "--format", format])
    };
    let html = call("html").out;
    check_page(&html);
    assert!(html.contains("NUMA nodes with CPUs") && !html.contains("PCI functions below"));
    assert!(html.contains("PCI devices were not read"), "{html}");
    assert!(html.contains("CPU 2: virtual CPU 0 of &lt;script&gt;"), "{html}");
    let pci = "0000:00:01.0 id 8086:1901\n0000:00:01.0 class 0x060400\n0000:00:01.0 driver pcieport\n0000:00:01.0 iommu_group 1\n0000:01:00.0 id 10de:1b80\n0000:01:00.0 class 0x030000\n0000:01:00.0 driver vfio-pci\n0000:01:00.0 iommu_group 1\n0000:01:00.0 parent 0000:00:01.0\n";
    site.file("host/pci-devices", pci);
    let html = call("html").out;
    check_page(&html);
    assert!(html.contains("PCI functions below") && html.contains(">IOMMU group 1</text>"), "{html}");
    let topology = &call("json").json()["topology"];
    assert_eq!(topology["functions"][1]["parent"], "0000:00:01.0");
    assert_eq!(topology["placements"][0]["devices"][0], "0000:01:00.0");
}

#[test]
fn the_page_folds_what_is_unknown() {
    let site = Site::new();
    let html = untold(&site, "html").out;
    check_page(&html);
    assert!(html.contains("Not in the picture: CPUs and NUMA nodes were not read"), "{html}");
    let xml = page(&html);
    let document = Document::parse(&xml).unwrap();
    let details = document.descendants().find(|node| node.has_tag_name("details")).unwrap();
    assert!(details.descendants().filter(|node| node.has_tag_name("tr")).count() > 10);
    assert!(html.contains("No cause found"));
}

#[test]
fn operations_without_causes_name_the_formats_that_they_have_and_do_nothing() {
    let site = Site::new();
    let spec = site.file("web.toml", "name = \"web\"\naccelerator = \"tcg\"\n[memory]\nsize = \"64MiB\"\n");
    for format in REPORTS {
        let wanted = [format, "text, json and jsonl"];
        site.call(&["vm", "create", spec.to_str().unwrap(), "--format", format]).fails(USAGE, &wanted);
        site.call(&["rules", "--format", format]).fails(USAGE, &wanted);
        site.call(&["analyze", "--dry-run", "--format", format]).fails(USAGE, &wanted);
        site.call(&["analyze", "--why", "storage/image-locked", "--format", format]).fails(USAGE, &wanted);
    }
    assert!(!site.path("state/machines/web").exists());
}

#[test]
fn a_result_goes_to_the_file_that_was_named() {
    let planted = Planted::new();
    let logs = planted.site.path("logs");
    let report = planted.site.path("report");
    let write = |format: &str| {
        let (logs, report) = (logs.to_str().unwrap(), report.to_str().unwrap());
        planted.site.call(&["analyze", "--from", logs, "--format", format, "-o", report])
    };
    for format in ["text", "json", "html"] {
        let done = write(format);
        assert_eq!((done.status, &*done.out), (1, ""), "{format}: {}", done.err);
        assert!(fs::metadata(&report).unwrap().len() > 0, "{format}");
    }
    // The umask of the one who calls can only take rights away.
    assert_eq!(fs::metadata(&report).unwrap().permissions().mode() & 0o777 & !0o644, 0);
    check_page(&fs::read_to_string(&report).unwrap());
    let long = fs::metadata(&report).unwrap().len();
    assert_eq!(write("concise").status, 1);
    assert!(fs::metadata(&report).unwrap().len() < long, "nothing of the longer report is left");
}

#[test]
fn what_is_no_regular_file_is_not_overwritten() {
    let site = Site::new();
    let kept = site.file("kept", "kept\n");
    let link = site.path("link");
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    let pipe = site.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&link, &pipe, &site.path("config"), &PathBuf::from("/dev/null")] {
        let path = path.to_str().unwrap();
        site.call(&["rules", "-o", path]).fails(USAGE, &[path, "not a regular file"]);
    }
    site.call(&["rules", "-o", site.path("no/such/file").to_str().unwrap()]).fails(USAGE, &["no/such/file"]);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "kept\n");
}

#[test]
fn without_a_result_a_file_keeps_what_it_held_and_none_is_made() {
    let site = Site::new();
    let kept = site.file("kept", "kept\n");
    let made = site.path("made");
    for path in [&kept, &made] {
        site.call(&["vm", "start", "nobody", "-o", path.to_str().unwrap()]).fails(USAGE, &["nobody"]);
    }
    // Here the process is locked when it fails.
    let call = site.call(&["analyze", "--from", "/no/such/folder", "-o", kept.to_str().unwrap()]);
    call.fails(USAGE, &["/no/such/folder"]);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "kept\n");
    assert!(!made.exists());
}
