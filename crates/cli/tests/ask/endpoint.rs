//! Endpoints and keys.

use crate::common::{Site, done};
use crate::scripted::{Endpoint, KEY, Reply, says};

#[test]
fn a_refusal_is_told_without_the_key_and_not_tried_again() {
    let site = Site::new();
    let body = format!("{{\"error\": {{\"message\": \"invalid key {KEY}\"}}}}");
    let endpoint = Endpoint::new(vec![Reply::Status(401, body)]);
    let call = endpoint.ask(&site, "why", &[]);
    assert_eq!(call.status, 3, "{call:#?}");
    assert!(call.out.contains("the endpoint refuses: 401: invalid key KEY"), "{}", call.out);
    assert!(!call.out.contains(KEY) && !call.err.contains(KEY));
    assert_eq!(endpoint.asked().len(), 1);
}

#[test]
fn a_redirect_is_not_followed() {
    let site = Site::new();
    let other = Endpoint::new(vec![says("I have your key.")]);
    let body = format!(
        "HTTP/1.1 307 X\r\nLocation: {}/chat/completions\r\nContent-Length: 0\r\n\r\n",
        other.address()
    );
    let endpoint = Endpoint::new(vec![Reply::Raw(body.into_bytes())]);
    let call = endpoint.ask(&site, "why", &[]);
    assert!(call.out.contains("the endpoint refuses: 307"), "{}", call.out);
    assert!(other.asked().is_empty());
}

#[test]
fn a_key_comes_from_the_environment_and_plain_text_stays_here() {
    let site = Site::new();
    let mut command = site.command(&["ask", "why", "--model", "anthropic:x"]);
    command.env_remove("ANTHROPIC_API_KEY");
    done(command).fails(2, &["no key: $ANTHROPIC_API_KEY is not set"]);
    let mut command =
        site.command(&["ask", "why", "--model", "openai:x", "--endpoint", "http://192.0.2.1/v1"]);
    command.env("VMWRIGHT_MODEL_KEY", KEY);
    done(command).fails(2, &["no address of an endpoint"]);
    site.call(&["ask", "why", "--model", "x"]).fails(2, &["anthropic:NAME or openai:NAME"]);
    site.call(&["ask", "why", "--endpoint", "http://127.0.0.1:1"]).fails(2, &["--model"]);
    // Nobody listens there.
    let call = site.call(&["ask", "why", "--model", "openai:x", "--endpoint", "http://127.0.0.1:1"]);
    assert_eq!(call.status, 3, "{call:#?}");
    assert!(call.out.contains("no connection to 127.0.0.1:1"), "{}", call.out);
}
