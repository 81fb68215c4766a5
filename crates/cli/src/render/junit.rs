//! An analysis as a JUnit test suite: a cause is a failed test, a note a passed one, and a rule that could not
//! tell a skipped one.

use super::escaped;
use super::evidence::{by_whom, clipped, meanings};
use std::fmt::Write;
use vmwright_model::{Analysis, Cause, Level};

/// The elements and attributes are those of `junit-10.xsd` of Jenkins' xUnit plugin, which readers have in common.
pub(crate) fn text(analysis: &Analysis) -> String {
    let failures = analysis.causes.iter().filter(|cause| cause.level > Level::Note).count();
    let skipped = analysis.unknown.len();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\"",
        analysis.causes.len() + analysis.accepted.len() + skipped
    );
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vmwright\" {counts}>\n\
         <testsuite name=\"vmwright analyze\" {counts} skipped=\"{skipped}\">\n"
    );
    let _ = writeln!(
        out,
        "<properties>\n<property name=\"challenge\" value=\"{}\"/>\n</properties>",
        escaped(&analysis.challenge)
    );
    for cause in &analysis.causes {
        case(cause, &mut out);
    }
    for one in &analysis.accepted {
        let _ = writeln!(
            out,
            "<testcase classname=\"{}\" name=\"{}\"><system-out>accepted until {}: {}</system-out></testcase>",
            escaped(&one.cause.rule),
            escaped(&one.cause.subject),
            escaped(&one.expires),
            escaped(&one.reason)
        );
    }
    for unknown in &analysis.unknown {
        let mut why = unknown.why.clone();
        if !unknown.source.is_empty() {
            let _ = write!(why, "; this would tell: {}", unknown.source);
        }
        let _ = writeln!(
            out,
            "<testcase classname=\"{}\" name=\"could not tell\"><skipped message=\"{}\"/></testcase>",
            escaped(&unknown.rule),
            escaped(&why)
        );
    }
    trouble(analysis, &mut out);
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn case(cause: &Cause, out: &mut String) {
    let _ = writeln!(
        out,
        "<testcase classname=\"{}\" name=\"{}\">",
        escaped(&cause.rule),
        escaped(&cause.subject)
    );
    let element = if cause.level > Level::Note { "failure" } else { "system-out" };
    let _ = match cause.level {
        Level::Note => writeln!(out, "<system-out>{}", escaped(&cause.title)),
        level => write!(out, "<failure type=\"{level}\" message=\"{}\">", escaped(&cause.title)),
    };
    for quote in &cause.evidence {
        let _ =
            writeln!(out, "{}:{}: {}", escaped(&quote.source), quote.line, escaped(&clipped(&quote.quote)));
    }
    for meaning in meanings(cause) {
        let _ = writeln!(out, "{}", escaped(&meaning));
    }
    let _ = writeln!(out, "confidence: {:.0} %", cause.confidence * 100.0);
    if let Some(by) = &cause.explained_by {
        let _ = writeln!(out, "a consequence of: {}", escaped(by));
    }
    let _ = writeln!(out, "fix ({}): {}", by_whom(cause), escaped(&cause.fix.summary));
    if let Some(agent) = cause.escalation {
        let _ = writeln!(out, "hand over to: {agent}");
    }
    let _ = writeln!(out, "</{element}>\n</testcase>");
}

fn trouble(analysis: &Analysis, out: &mut String) {
    if analysis.unread.is_empty() && analysis.sandbox.lacking.is_empty() {
        return;
    }
    out.push_str("<system-err>");
    for (source, why) in &analysis.unread {
        let _ = writeln!(out, "not read: {}: {}", escaped(source), escaped(why));
    }
    for lacking in &analysis.sandbox.lacking {
        let _ = writeln!(out, "sandbox: {}", escaped(lacking));
    }
    out.push_str("</system-err>\n");
}
