//! Anthropic's Messages: <https://docs.anthropic.com/en/api/messages> and its streaming.

use super::{Call, MOST_CALLS, ModelError, Said, Turn, value};
use crate::tools::Tool;
use serde_json::{Value, json};

/// The version of the interface.
const VERSION: &str = "2023-06-01";

pub(super) fn headers(key: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers = vec![("anthropic-version", VERSION.to_owned())];
    headers.extend(key.map(|key| ("x-api-key", key.to_owned())));
    headers
}

pub(super) fn request(model: &str, system: &str, said: &[Said], tools: &[Tool], answer: u32) -> Value {
    let tool = |one: &Tool| json!({ "name": one.name, "description": one.says, "input_schema": one.schema });
    json!({
        "model": model, "max_tokens": answer, "stream": true, "system": system,
        "tools": tools.iter().map(tool).collect::<Vec<_>>(),
        "messages": said.iter().map(message).collect::<Vec<_>>(),
    })
}

fn message(said: &Said) -> Value {
    match said {
        Said::User(text) => json!({ "role": "user", "content": text }),
        Said::Model { text, calls } => {
            let mut content = Vec::new();
            if !text.is_empty() {
                content.push(json!({ "type": "text", "text": text }));
            }
            for call in calls {
                // What was no object cannot be sent back as one; the result says what was wrong with it.
                let input = serde_json::from_str::<Value>(&call.arguments).ok().filter(Value::is_object);
                let input = input.unwrap_or_else(|| json!({}));
                content.push(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }));
            }
            json!({ "role": "assistant", "content": content })
        }
        Said::Results(results) => {
            let result = |(id, text, error): &(String, String, bool)| json!({ "type": "tool_result", "tool_use_id": id, "content": text, "is_error": error });
            json!({ "role": "user", "content": results.iter().map(result).collect::<Vec<_>>() })
        }
    }
}

/// The blocks of an answer, by their number in the stream.
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
        let event = value(event)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                let usage = &event["message"]["usage"];
                let names = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
                turn.tokens_in =
                    names.iter().filter_map(|name| usage[*name].as_u64()).fold(0, u64::saturating_add);
            }
            "content_block_start" if event["content_block"]["type"] == "tool_use" => {
                let block = &event["content_block"];
                let call =
                    Call { id: text(&block["id"]), name: text(&block["name"]), arguments: String::new() };
                if self.calls.len() < MOST_CALLS {
                    self.calls.push((number, call));
                }
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                if let Some(piece) = delta["text"].as_str() {
                    turn.text.push_str(piece);
                    told(piece);
                }
                if let (Some(piece), Some((_, call))) = (
                    delta["partial_json"].as_str(),
                    self.calls.iter_mut().find(|(known, _)| *known == number),
                ) {
                    call.arguments.push_str(piece);
                }
            }
            "message_delta" => {
                turn.cut = event["delta"]["stop_reason"] == "max_tokens";
                turn.tokens_out = event["usage"]["output_tokens"].as_u64().unwrap_or_default();
            }
            "message_stop" => turn.whole = true,
            "error" => {
                let said: String = text(&event["error"]["message"]).chars().take(300).collect();
                return Err(ModelError::Unread(format!("the endpoint says: {said}")));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn end(self, turn: &mut Turn) {
        turn.calls = self.calls.into_iter().map(|(_, call)| call).collect();
        for call in turn.calls.iter_mut().filter(|call| call.arguments.is_empty()) {
            call.arguments.push_str("{}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_put_together() {
        let (mut reader, mut turn, mut heard) = (Reader::default(), Turn::default(), String::new());
        for event in [
            r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":5}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"I lo"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"ok."}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"analyze","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"vm\":"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"web\"}"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}"#,
            r#"{"type":"message_stop"}"#,
        ] {
            reader.take(event, &mut turn, &mut |piece| heard.push_str(piece)).unwrap();
        }
        reader.end(&mut turn);
        assert_eq!((turn.text.as_str(), heard.as_str()), ("I look.", "I look."));
        assert_eq!(
            turn.calls,
            [Call {
                id: "t".to_owned(),
                name: "analyze".to_owned(),
                arguments: r#"{"vm":"web"}"#.to_owned()
            }]
        );
        assert_eq!((turn.tokens_in, turn.tokens_out, turn.whole, turn.cut), (15, 7, true, false));
        let error = Reader::default().take(
            r#"{"type":"error","error":{"message":"overloaded"}}"#,
            &mut turn,
            &mut |_| {},
        );
        assert!(error.unwrap_err().to_string().contains("overloaded"));
        assert!(Reader::default().take("{", &mut turn, &mut |_| {}).is_err());
    }

    #[test]
    fn what_was_said_goes_back_as_it_was() {
        let calls = vec![Call { id: "1".to_owned(), name: "x".to_owned(), arguments: "no json".to_owned() }];
        let said = [
            Said::User("q".to_owned()),
            Said::Model { text: String::new(), calls },
            Said::Results(vec![("1".to_owned(), "r".to_owned(), true)]),
        ];
        let body = request("m", "s", &said, &[], 9);
        assert_eq!(body["messages"][1]["content"][0]["input"], json!({}));
        assert_eq!(body["messages"][2]["content"][0]["is_error"], true);
        assert_eq!((&body["stream"], &body["max_tokens"]), (&json!(true), &json!(9)));
    }
}
