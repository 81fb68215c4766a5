use super::{Call, KEEPS, Showing, Tool};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::Operation;

/// Parameters and the heads of their sections; the first belongs to the project.
const SECTIONS: [(&str, &str); 5] = [
    ("project_notes", "Project Notes"),
    ("feelings", "Feelings"),
    ("user_context", "User Context"),
    ("technical_insights", "Technical Insights"),
    ("world_knowledge", "World Knowledge"),
];

pub(crate) const TOOL: Tool = Tool {
    name: "process_thoughts",
    title: "Write in the journal",
    says: "Keep what was learned. At least one section; project_notes stay with this project, the others are known in all.",
    hints: KEEPS,
    parameters: &[
        Parameter::optional("feelings", Takes::Text, ""),
        Parameter::optional("project_notes", Takes::Text, ""),
        Parameter::optional("user_context", Takes::Text, ""),
        Parameter::optional("technical_insights", Takes::Text, ""),
        Parameter::optional("world_knowledge", Takes::Text, ""),
    ],
    gives: &[("entries", "array")],
    own: false,
    call,
};

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let (notes, others) = SECTIONS.split_at(1);
    let project = given.text("project_notes").and(standing.project.clone());
    let add = |sections: &[(&str, &str)], project| {
        let body = body(given, sections)?;
        let title = body.lines().find(|line| !line.is_empty() && !line.starts_with("## "))?;
        let title = title.chars().take(100).collect();
        Some(Operation::JournalAdd { title, body, project, thought: false })
    };
    let entries: Vec<Operation> = [add(notes, project), add(others, None)].into_iter().flatten().collect();
    if entries.is_empty() {
        return Err(format!("at least one of {} is needed", SECTIONS.map(|(name, _)| name).join(", ")));
    }
    Ok(Call::Perform(entries, Showing::All))
}

fn body(given: &Given, sections: &[(&str, &str)]) -> Option<String> {
    let section = |(name, head): &(&str, &str)| {
        let text = given.text(name)?;
        (!text.trim().is_empty()).then(|| format!("## {head}\n\n{}\n", text.trim()))
    };
    let body = sections.iter().filter_map(section).collect::<Vec<_>>().join("\n");
    (!body.is_empty()).then_some(body)
}
