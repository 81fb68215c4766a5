use super::steps::{form_and, notes};
use super::{Call, KEEPS, Tool, perform};
use crate::parameters::{Given, Parameter, Takes};
use crate::session::Standing;
use vmwright_engine::{Decide, Operation};

/// Who is asked: a perspective, and the side that it is to look for.
const ASKED: &[Parameter] = &[
    Parameter::required("model", Takes::Text, "security, performance or operations"),
    Parameter::optional("stance", Takes::Word(&["for", "against", "neutral"]), ""),
    Parameter::optional("stance_prompt", Takes::Text, ""),
];

pub(crate) const TOOL: Tool = Tool {
    name: "consensus",
    title: "Decide",
    says: "Which hypervisor, storage, network or isolation: options against hard needs and weighted criteria, from the \
           perspectives of security, performance and operations; with dissent, sources, and what would change the choice. All \
           three are always asked for both sides: a stance changes no score, and your confidence is not used. With an empty \
           `step` and no `topic`: what there is to decide, with needs, criteria and options.",
    hints: KEEPS,
    parameters: &form_and::<6, 16>([
        Parameter::required("models", Takes::Objects(ASKED, 2), "who is asked"),
        Parameter::optional("topic", Takes::Text, "where `step` does not tell; later steps: [the last one]"),
        Parameter::optional(
            "needs",
            Takes::Texts,
            "what the choice has to meet, besides the words of `step`",
        ),
        Parameter::optional("without", Takes::Texts, "needs that `step` sounds like and that are none"),
        Parameter::optional("weights", Takes::Texts, "criterion=0..10 or perspective=0..10"),
        Parameter::optional("only", Takes::Texts, "only these options"),
    ]),
    gives: &[
        ("topic", "string"),
        ("choice", "string"),
        ("options", "array"),
        ("perspectives", "array"),
        ("flips", "array"),
        ("topics", "array"),
        ("conclusion", "untrusted"),
    ],
    own: false,
    call,
};

/// Perspectives that there are.
const PERSPECTIVES: [&str; 3] = ["security", "performance", "operations"];

fn call(given: &Given, standing: &Standing) -> Result<Call, String> {
    let mut notes = notes(given);
    let asked: Vec<String> = given.objects("models").iter().map(|one| one.words("model")).collect();
    let others: Vec<&String> = asked.iter().filter(|name| !PERSPECTIVES.contains(&name.as_str())).collect();
    if !others.is_empty() {
        let others = others.iter().map(|name| crate::parameters::brief(name)).collect::<Vec<_>>().join(", ");
        notes.push(format!("asked for {others}, of whom there are none here"));
    }
    if let Some(hypothesis) = given.text("hypothesis").filter(|one| !one.trim().is_empty()) {
        notes.push(format!("expected: {hypothesis}"));
    }
    let weights = given.texts("weights");
    let weights = weights.iter().map(|text| weight(text)).collect::<Result<Vec<_>, _>>()?;
    let later = given.number("step_number") != Some(1);
    perform(Operation::Decide(Decide {
        question: given.words("step").trim().to_owned(),
        topic: given.text("topic").or_else(|| standing.topic.clone().filter(|_| later)),
        needs: given.texts("needs"),
        without: given.texts("without"),
        weights,
        only: given.texts("only"),
        notes: notes.join("\n"),
    }))
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let read =
        text.split_once('=').and_then(|(name, weight)| Some((name.trim(), weight.trim().parse().ok()?)));
    let (name, weight) =
        read.ok_or_else(|| format!("`weights`: {} is no NAME=0..10", crate::parameters::brief(text)))?;
    Ok((name.to_owned(), weight))
}
