use super::*;
use vmwright_model::{GateOutcome, Review, Table};

/// What a hostile guest might call its interface, disk or kernel.
const HOSTILE: &str =
    "</pre><script>alert(1)</script>\"'&\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}gpj.exe\r\nnew line\u{9b}1m";

fn measurement(name: &str, value: f64, unit: &str) -> Measurement {
    Measurement { name: name.to_owned(), value, unit: unit.to_owned(), ..Measurement::default() }
}

fn review() -> Review {
    let gate = |name: &str, outcome, measurements, evidence, tables| Gate {
        measurements,
        evidence,
        tables,
        ..Gate::of(name, outcome)
    };
    let table = Table {
        title: "Devices".to_owned(),
        columns: vec!["device".to_owned(), "guest".to_owned()],
        rows: vec![vec!["disk 0".to_owned(), "vda (virtio_blk)".to_owned()]],
    };
    Review {
        schema: crate::SCHEMA.to_owned(),
        vm: "walk".to_owned(),
        accelerator: "tcg".to_owned(),
        began: "2026-01-02T03:04:05Z".to_owned(),
        gates: vec![
            gate(
                "boot",
                GateOutcome::Pass,
                vec![
                    measurement("power-on to kernel", 0.8, "s"),
                    measurement("kernel to init", 2.0, "s"),
                    measurement("init to agent", 0.4, "s"),
                ],
                vec!["serial console: Linux version 6.1".to_owned()],
                Vec::new(),
            ),
            gate(
                "network",
                GateOutcome::Fail("network 0: lost; network 1: gone".to_owned()),
                vec![
                    measurement("10.0.0.2 round trip 1", 0.5, "ms"),
                    measurement("10.0.0.2 round trip 2", 0.7, "ms"),
                    measurement("10.0.0.2 lost", 3.0, "count"),
                ],
                Vec::new(),
                Vec::new(),
            ),
            gate(
                "devices",
                GateOutcome::Unknown("cannot tell".to_owned()),
                Vec::new(),
                Vec::new(),
                vec![table],
            ),
            gate(
                "cpu-flaws",
                GateOutcome::NotApplicable("emulated".to_owned()),
                Vec::new(),
                Vec::new(),
                Vec::new(),
            ),
        ],
        ..Review::default()
    }
}

/// The review with every string that a guest, a file or a name could bring replaced by a hostile one.
fn hostile() -> Review {
    let mut review = review();
    review.vm = HOSTILE.to_owned();
    review.accelerator = HOSTILE.to_owned();
    review.began = HOSTILE.to_owned();
    for gate in &mut review.gates {
        gate.name = HOSTILE.to_owned();
        gate.evidence = vec![HOSTILE.to_owned()];
        gate.measurements.push(measurement(HOSTILE, 1.0, HOSTILE));
        gate.measurements.push(measurement(&format!("{HOSTILE} round trip 1"), 1.0, "ms"));
        gate.tables.push(Table {
            title: HOSTILE.to_owned(),
            columns: vec![HOSTILE.to_owned()],
            rows: vec![vec![HOSTILE.to_owned()]],
        });
        gate.outcome = GateOutcome::Fail(HOSTILE.to_owned());
    }
    review
}

#[test]
fn the_text_says_everything_and_ends_with_the_verdict() {
    let text = text(&review());
    for part in [
        "review of vm walk under tcg, began 2026-01-02T03:04:05Z\n",
        "\nboot: pass\n",
        "  power-on to kernel       0.80 s\n",
        "\nnetwork: fail\n  network 0: lost\n  network 1: gone\n",
        "  10.0.0.2 lost            3 count\n",
        "\ndevices: unknown\n  cannot tell\n",
        "    device  guest\n    disk 0  vda (virtio_blk)\n",
        "\ncpu-flaws: not applicable\n",
        "    | serial console: Linux version 6.1\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert!(text.ends_with("\nverdict: fail\n"));
    assert!(!text.contains("round trip 1"), "single trips are for the plot");
}

#[test]
fn no_guest_can_steer_the_terminal() {
    let text = text(&hostile());
    assert!(text.chars().all(|character| character == '\n' || !is_unseen(character)), "{text:?}");
    assert!(text.contains("\\u{1b}[2J") && text.contains("\\u{202e}gpj.exe"));
    // A guest's line end begins no line of the report's own.
    assert!(!text.lines().any(|line| line.starts_with("new line")), "{text}");
}

#[test]
fn no_guest_can_write_into_the_page() {
    let clean = html(&review());
    let page = html(&hostile());
    // Nothing of it became markup: every `<` is one that the report itself writes.
    assert!(!page.contains("<script") && !page.contains("</pre><script"), "{page}");
    for tag in page.split('<').skip(1) {
        let name: String =
            tag.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '!')).collect();
        let known = [
            "!doctype",
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "header",
            "h1",
            "h2",
            "span",
            "p",
            "main",
            "section",
            "ul",
            "li",
            "div",
            "table",
            "caption",
            "tr",
            "th",
            "td",
            "details",
            "summary",
            "pre",
            "figure",
            "figcaption",
            "svg",
            "text",
            "rect",
            "line",
            "circle",
        ];
        assert!(known.contains(&name.trim_start_matches('/')), "<{name}");
    }
    assert!(page.contains("&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    assert!(page.chars().all(|character| character == '\n' || !is_unseen(character)));
    // The frame around it is the same as ever.
    let frame = |page: &str| {
        (page.matches("<section>").count(), page.matches("</html>").count(), page.matches("<style>").count())
    };
    assert_eq!(frame(&page), frame(&clean));
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = html(&review());
    for outside in ["http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link", "<img"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none';"));
    assert_eq!(page, html(&review()), "the same review gives the same bytes");
}

#[test]
fn the_plots_are_there_and_only_where_there_is_something_to_plot() {
    let page = html(&review());
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("<rect class=\"bar\"").count(), 3);
    assert_eq!(page.matches("<circle").count(), 2);
    // Three bars, one after the other, fill the width from 150 to 560: 0.8 of 3.2 s is a quarter.
    assert!(page.contains("x=\"150.0\" y=\"4.0\" width=\"102.5\""), "{page}");
    let mut empty = review();
    for gate in &mut empty.gates {
        gate.measurements.clear();
    }
    assert!(!html(&empty).contains("<svg"));
}

#[test]
fn figures_that_nobody_can_draw_are_not_drawn() {
    let mut odd = review();
    for value in [f64::NAN, f64::INFINITY, -5.0, 1e300, 0.0] {
        for measurement in odd.gates.iter_mut().flat_map(|gate| &mut gate.measurements) {
            measurement.value = value;
        }
        let page = html(&odd);
        assert!(!page.contains("<svg"), "{value}");
    }
}
