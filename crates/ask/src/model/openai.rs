//! Chat completions as OpenAI has them, and many servers after it:
//! <https://platform.openai.com/docs/api-reference/chat/create>.

use super::{Call, MOST_CALLS, ModelError, Said, Turn, value};
use crate::tools::Tool;
use serde_json::{Value, json};

pub(super) fn headers(key: Option<&str>) -> Vec<(&'static str, String)> {
    key.map(|key| ("authorization", format!("Bearer {key}"))).into_iter().collect()
}

pub(super) fn request(model: &str, system: &str, said: &[Said], tools: &[Tool], answer: u32) -> Value {
    let tool = |one: &Tool| {
        json!({ "type": "function",
                "function": { "name": one.name, "description": one.says, "parameters": one.schema } })
    };
    let mut messages = vec![json!({ "role": "system", "content": system })];
    messages.extend(said.iter().flat_map(self::messages));
    json!({
        "model": model, "max_tokens": answer, "stream": true, "stream_options": { "include_usage": true },
        "tools": tools.iter().map(tool).collect::<Vec<_>>(), "messages": messages,
    })
}

fn messages(said: &Said) -> Vec<Value> {
    match said {
        Said::User(text) => vec![json!({ "role": "user", "content": text })],
        Said::Model { text, calls } => {
            let call = |one: &Call| {
                json!({ "id": one.id, "type": "function",
                        "function": { "name": one.name, "arguments": one.arguments } })
            };
            let mut message = json!({ "role": "assistant", "content": text });
            if !calls.is_empty() {
                message["tool_calls"] = calls.iter().map(call).collect();
            }
            vec![message]
        }
        Said::Results(results) => {
            let result = |(id, text, _): &(String, String, bool)| json!({ "role": "tool", "tool_call_id": id, "content": text });
            results.iter().map(result).collect()
        }
    }
}

/// The calls of an answer, by their number in the stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    calls: Vec<(u64, Call)>,
}

impl Reader {
    pub(super) fn take(
        &mut self,
        event: &str,
        turn: &mut Turn,
        told: &mut dyn FnMut(&str),
    ) -> Result<(), ModelError> {
        if event.trim() == "[DONE]" {
            turn.whole = true;
            return Ok(());
        }
        let event = value(event)?;
        if let Some(said) = event["error"]["message"].as_str() {
            let said: String = said.chars().take(300).collect();
            return Err(ModelError::Unread(format!("the endpoint says: {said}")));
        }
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            turn.tokens_in = usage["prompt_tokens"].as_u64().unwrap_or_default();
            turn.tokens_out = usage["completion_tokens"].as_u64().unwrap_or_default();
        }
        let choice = &event["choices"][0];
        if let Some(piece) = choice["delta"]["content"].as_str() {
            turn.text.push_str(piece);
            told(piece);
        }
        for piece in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            self.piece(piece);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            turn.cut = reason == "length";
            // Some servers end without a last word.
            turn.whole = true;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &Value) {
        let number = piece["index"].as_u64().unwrap_or_default();
        if !self.calls.iter().any(|(known, _)| *known == number) {
            if self.calls.len() == MOST_CALLS {
                return;
            }
            self.calls
                .push((number, Call { id: String::new(), name: String::new(), arguments: String::new() }));
        }
        let Some((_, call)) = self.calls.iter_mut().find(|(known, _)| *known == number) else { return };
        let add = |to: &mut String, value: &Value| to.push_str(value.as_str().unwrap_or_default());
        add(&mut call.id, &piece["id"]);
        add(&mut call.name, &piece["function"]["name"]);
        add(&mut call.arguments, &piece["function"]["arguments"]);
    }

    pub(super) fn end(self, turn: &mut Turn) {
        turn.calls = self.calls.into_iter().map(|(_, call)| call).collect();
        for (number, call) in turn.calls.iter_mut().enumerate() {
            // Results are told apart by it, and some servers give none.
            if call.id.is_empty() {
                call.id = format!("call-{number}");
            }
            if call.arguments.is_empty() {
                call.arguments.push_str("{}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_put_together() {
        let (mut reader, mut turn) = (Reader::default(), Turn::default());
        for event in [
            r#"{"choices":[{"delta":{"role":"assistant","content":"Let me "}}]}"#,
            r#"{"choices":[{"delta":{"content":"look."}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"analyze","arguments":""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"name":"look_up","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"vm\":\"web\"}"}}]}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":30,"completion_tokens":4}}"#,
            "[DONE]",
        ] {
            reader.take(event, &mut turn, &mut |_| {}).unwrap();
        }
        reader.end(&mut turn);
        let calls: Vec<(&str, &str, &str)> = turn
            .calls
            .iter()
            .map(|one| (one.id.as_str(), one.name.as_str(), one.arguments.as_str()))
            .collect();
        assert_eq!(calls, [("a", "analyze", r#"{"vm":"web"}"#), ("call-1", "look_up", "{}")]);
        assert_eq!(
            (turn.text.as_str(), turn.tokens_in, turn.tokens_out, turn.whole),
            ("Let me look.", 30, 4, true)
        );
    }

    #[test]
    fn rubbish_is_an_error_and_odd_shapes_are_nothing() {
        let mut turn = Turn::default();
        assert!(Reader::default().take("<html>", &mut turn, &mut |_| {}).is_err());
        let mut reader = Reader::default();
        for event in [
            "{}",
            "[]",
            "3",
            r#"{"choices":[]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[7]}}]}"#,
            r#"{"usage":null}"#,
        ] {
            reader.take(event, &mut turn, &mut |_| {}).unwrap();
        }
        let many: String =
            (0..100).map(|n| format!(r#"{{"index":{n},"function":{{"name":"x"}}}},"#)).collect();
        let event =
            format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}}"#, many.trim_end_matches(','));
        reader.take(&event, &mut turn, &mut |_| {}).unwrap();
        reader.end(&mut turn);
        assert_eq!(turn.calls.len(), MOST_CALLS);
        assert!(!turn.whole);
    }
}
