//! What may be given to a tool, said once: the JSON Schema that clients are told, and the check of what they send.

use serde_json::{Map, Value, json};
use vmwright_engine::nearest;

/// The longest text that one parameter takes, in bytes. A complaint or a description of a machine has room in it.
pub(crate) const LONGEST: usize = 1 << 20;

/// The most texts that a list takes.
const MOST: usize = 256;

/// One parameter of a tool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    /// As it is sent.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
    /// Whether it must be given.
    pub(crate) required: bool,
    /// One line for the model; empty where the name says it all.
    pub(crate) says: &'static str,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// Text of at most [`LONGEST`] bytes.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Yes or no; no where it is not given.
    Flag,
    /// A whole number in these bounds.
    Number(u64, u64),
    /// Texts.
    Texts,
    /// Objects with these parameters, at least so many.
    Objects(&'static [Parameter], usize),
}

impl Parameter {
    pub(crate) const fn required(name: &'static str, takes: Takes, says: &'static str) -> Self {
        Self { name, takes, required: true, says }
    }

    pub(crate) const fn optional(name: &'static str, takes: Takes, says: &'static str) -> Self {
        Self { name, takes, required: false, says }
    }

    fn schema(&self) -> Value {
        let mut schema = match self.takes {
            Takes::Text => json!({ "type": "string" }),
            Takes::Word(words) => json!({ "type": "string", "enum": words }),
            Takes::Flag => json!({ "type": "boolean" }),
            Takes::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Takes::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Takes::Objects(parameters, least) => {
                json!({ "type": "array", "minItems": least, "items": self::schema(parameters) })
            }
        };
        if !self.says.is_empty() {
            schema["description"] = self.says.into();
        }
        schema
    }

    /// Why a value does not do.
    fn refuses(&self, value: &Value) -> Option<String> {
        let name = self.name;
        match (self.takes, value) {
            (Takes::Text, Value::String(text)) if text.len() > LONGEST => {
                Some(format!("`{name}` has {} bytes; at most {LONGEST} are taken", text.len()))
            }
            (Takes::Text, Value::String(_)) | (Takes::Flag, Value::Bool(_)) => None,
            (Takes::Word(words), Value::String(word)) if words.contains(&word.as_str()) => None,
            (Takes::Word(words), Value::String(word)) => {
                let near = did_you_mean(word, words);
                Some(format!("`{name}` is one of {}; `{}` is not{near}", words.join(", "), brief(word)))
            }
            (Takes::Number(least, most), Value::Number(number)) => {
                // A client whose language has one kind of number sends 3.0 for 3.
                let whole = number.as_u64().or_else(|| number.as_f64().and_then(as_whole));
                let fits = whole.is_some_and(|number| (least..=most).contains(&number));
                (!fits).then(|| format!("`{name}` is a whole number from {least} to {most}; {number} is not"))
            }
            (Takes::Texts, Value::Array(list)) if list.len() > MOST => {
                Some(format!("`{name}` has {} texts; at most {MOST} are taken", list.len()))
            }
            (Takes::Texts, Value::Array(list)) => {
                let wrong = list.iter().position(|one| one.as_str().is_none_or(|text| text.len() > LONGEST));
                wrong.map(|at| format!("`{name}[{at}]` is not a text of at most {LONGEST} bytes"))
            }
            (Takes::Objects(_, least), Value::Array(list)) if !(least..=MOST).contains(&list.len()) => {
                Some(format!("`{name}` has {} items; {least} to {MOST} are taken", list.len()))
            }
            (Takes::Objects(parameters, _), Value::Array(list)) => {
                let wrong = |(at, one): (usize, &Value)| match one.as_object() {
                    None => Some(format!("`{name}[{at}]` is an object, not {}", kind(one))),
                    Some(sent) => {
                        let problems = Given::check(sent.clone(), parameters).err()?;
                        Some(format!("`{name}[{at}]`: {}", problems.join("; ")))
                    }
                };
                list.iter().enumerate().find_map(wrong)
            }
            (takes, other) => Some(format!("`{name}` is {}, not {}", takes.words(), kind(other))),
        }
    }
}

impl Takes {
    fn words(self) -> &'static str {
        match self {
            Takes::Text => "a text",
            Takes::Word(_) => "a word",
            Takes::Flag => "true or false",
            Takes::Number(..) => "a whole number",
            Takes::Texts => "a list of texts",
            Takes::Objects(..) => "a list of objects",
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A float that is a whole number which it can hold exactly (below 2^53).
fn as_whole(number: f64) -> Option<u64> {
    ((0.0..9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// The JSON Schema of an object with these parameters and no others.
pub(crate) fn schema(parameters: &[Parameter]) -> Value {
    let properties: Map<String, Value> =
        parameters.iter().map(|one| (one.name.to_owned(), one.schema())).collect();
    let required: Vec<&str> = parameters.iter().filter(|one| one.required).map(|one| one.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// What was given, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given(Map<String, Value>);

impl Given {
    /// Checks everything that was sent; null stands for not given.
    ///
    /// # Errors
    /// All problems at once, each with the name of its parameter.
    pub(crate) fn check(sent: Map<String, Value>, parameters: &[Parameter]) -> Result<Self, Vec<String>> {
        let names: Vec<&str> = parameters.iter().map(|one| one.name).collect();
        let mut problems = Vec::new();
        let mut given = Map::new();
        for (name, value) in sent {
            match parameters.iter().find(|one| one.name == name) {
                None => {
                    let near = did_you_mean(&name, &names);
                    problems.push(format!("there is no parameter `{}`{near}", brief(&name)));
                }
                Some(_) if value.is_null() => {}
                Some(parameter) => match parameter.refuses(&value) {
                    Some(problem) => problems.push(problem),
                    None => drop(given.insert(name, value)),
                },
            }
        }
        for missing in parameters.iter().filter(|one| one.required && !given.contains_key(one.name)) {
            problems.push(format!("`{}` is needed: {}", missing.name, missing.says));
        }
        if problems.is_empty() { Ok(Self(given)) } else { Err(problems) }
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A text that is required, or empty where it is not.
    pub(crate) fn words(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        value.as_u64().or_else(|| value.as_f64().and_then(as_whole))
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    }
}

impl Given {
    /// Objects, each checked as it came.
    pub(crate) fn objects(&self, name: &str) -> Vec<Given> {
        let list = self.0.get(name).and_then(Value::as_array);
        let given = |one: &Value| one.as_object().map(|map| Given(map.clone()));
        list.into_iter().flatten().filter_map(given).collect()
    }
}

/// `; did you mean ...?`, where something near exists.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    // A name of a megabyte is like nothing.
    let near = (word.len() <= 100).then(|| nearest(word, known)).flatten();
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The beginning of a name that a client made up, without what a reader would obey.
pub(crate) fn brief(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: &[Parameter] = &[
        Parameter::required("query", Takes::Text, "words"),
        Parameter::optional("limit", Takes::Number(1, 100), ""),
        Parameter::optional("type", Takes::Word(&["user", "project", "both"]), ""),
        Parameter::optional("sections", Takes::Texts, ""),
        Parameter::optional("deep", Takes::Flag, ""),
        Parameter::optional("who", Takes::Objects(&[Parameter::required("name", Takes::Text, "")], 2), ""),
    ];

    fn check(sent: Value) -> Result<Given, Vec<String>> {
        Given::check(sent.as_object().unwrap().clone(), PARAMETERS)
    }

    #[test]
    fn what_fits_is_taken() {
        let given =
            check(json!({ "query": "x", "limit": 3.0, "type": "user", "sections": ["a"], "deep": true }));
        let given = given.unwrap();
        assert_eq!((given.words("query").as_str(), given.number("limit")), ("x", Some(3)));
        assert_eq!((given.texts("sections"), given.flag("deep")), (vec!["a".to_owned()], true));
        assert_eq!(check(json!({ "query": "", "limit": null })).unwrap().number("limit"), None);
    }

    #[test]
    fn all_problems_are_named_with_their_place() {
        let problems =
            check(json!({ "qery": 1, "limit": 0, "type": "usr", "sections": ["a", 2], "deep": "yes" }));
        let problems = problems.unwrap_err().join("\n");
        for part in [
            "there is no parameter `qery`; did you mean `query`?",
            "`limit` is a whole number from 1 to 100; 0 is not",
            "`usr` is not; did you mean `user`?",
            "`sections[1]`",
            "`deep` is true or false, not a text",
            "`query` is needed",
        ] {
            assert!(problems.contains(part), "{part:?} is not in: {problems}");
        }
    }

    #[test]
    fn objects_are_checked_inside() {
        let both = json!([{ "name": "a" }, { "name": "b" }]);
        let given = check(json!({ "query": "", "who": both })).unwrap();
        assert_eq!(given.objects("who").iter().map(|one| one.words("name")).collect::<Vec<_>>(), ["a", "b"]);
        for (wrong, why) in [
            (json!([{ "name": "a" }]), "`who` has 1 items; 2 to 256"),
            (json!([{ "name": "a" }, 1]), "`who[1]` is an object, not a number"),
            (
                json!([{ "name": "a" }, { "nme": "b" }]),
                "`who[1]`: there is no parameter `nme`; did you mean `name`?",
            ),
            (json!("security"), "`who` is a list of objects, not a text"),
        ] {
            let problems = check(json!({ "query": "", "who": wrong })).unwrap_err().join("\n");
            assert!(problems.contains(why), "{problems}");
        }
        assert_eq!(schema(PARAMETERS)["properties"]["who"]["items"]["required"], json!(["name"]));
    }

    #[test]
    fn huge_names_and_texts_are_refused_in_a_line() {
        let mut sent = Map::new();
        sent.insert("x".repeat(10_000_000), Value::Null);
        sent.insert("query".to_owned(), "y".repeat(10_000_000).into());
        let problems = Given::check(sent, PARAMETERS).unwrap_err();
        assert!(problems.iter().all(|one| one.len() < 200), "{problems:?}");
        assert_eq!(problems.len(), 3);
    }

    #[test]
    fn the_schema_is_closed() {
        let schema = schema(PARAMETERS);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["query"]));
        assert_eq!(schema["properties"]["type"]["enum"][2], "both");
    }
}
