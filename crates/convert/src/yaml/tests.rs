use super::{documents, print};
use proptest::prelude::*;
use serde_json::{Value, json};

fn one(text: &str) -> Value {
    let mut read = documents(text).expect("YAML");
    assert_eq!(read.len(), 1, "{text}");
    read.remove(0).value
}

#[test]
fn words_mean_what_kubernetes_takes_them_for() {
    let text = "a: yes\nb: 0644\nc: '0644'\nd: 1_000\ne: ~\nf: 1e3\ng: 52:54:00:12:34:56\nh: !!str 7\ni: -0x10\nj: .5\nk: 1.2.3\nl: 08\n";
    assert_eq!(
        one(text),
        json!({"a": true, "b": 420, "c": "0644", "d": 1000, "e": null, "f": 1000.0, "g": "52:54:00:12:34:56", "h": "7",
               "i": -16, "j": 0.5, "k": "1.2.3", "l": 8.0})
    );
}

#[test]
fn several_documents_and_their_lines() {
    let read =
        documents("---\na: 1\n---\n# nothing\n---\nb:\n- name: x\n  c: {d: 2}\n- e\n...\n").expect("YAML");
    assert_eq!(read.len(), 2);
    let line = |at: &str| read[1].marks.line_of(&read[1].value, at);
    assert_eq!(
        (read[0].marks.line, line("b"), line("b[0]"), line("b[x]/c/d")),
        (2, Some(6), Some(7), Some(8))
    );
    assert_eq!((line("b[1]"), line("b[x]/nothing"), line("nothing")), (Some(9), Some(7), None));
}

#[test]
fn aliases_repeat_and_are_counted() {
    let text = "a: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: *x\n  c: 3\n";
    assert_eq!(one(text)["e"], json!({"b": 1, "c": 3}));
    assert_eq!(one(text)["d"], json!({"b": 1, "c": 2}));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{}", level - 1); 10].join(", ")
        ));
    }
    assert!(documents(&bomb).expect_err("a bomb").to_string().contains("more than 1048576 values"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, told) in [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key `a` stands twice"),
        ("a: *b\n", "line 1: not YAML"),
        ("a: [1\nb: 2\n", "not YAML"),
        ("? [a]\n: b\n", "line 1: a key is no word but an object or list"),
    ] {
        let error = documents(text).expect_err(text).to_string();
        assert!(error.contains(told), "{error}");
    }
    let deep = format!("{}1{}", "[".repeat(150), "]".repeat(150));
    assert!(documents(&deep).expect_err("deep").to_string().contains("levels"));
}

#[test]
fn a_written_document_is_easy_to_read() {
    let document = json!({"spec": {"list": [{"a": "x y", "b": [1, []]}, "true", ["n"]], "none": {}, "text": "#!/bin/sh\n\necho 'hi'\n"}});
    let text = "spec:\n  list:\n  - a: x y\n    b:\n    - 1\n    - []\n  - \"true\"\n  - - \"n\"\n  none: {}\n  text: |\n    #!/bin/sh\n\n    echo 'hi'\n";
    assert_eq!(print(&document), text);
    assert_eq!(one(text), document);
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~\\n\\t]{0,20}",
        "\\PC{0,8}",
        any::<String>(),
        prop::sample::select(vec![
            "yes", "~", "1e5", "0x1f", "- a", "a: b", "a #b", "---", "...", "|", "<<", "a:", "1_0"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same(value in any_value()) {
        let text = print(&value);
        let read = documents(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let back = read.into_iter().next().map_or(Value::Null, |read| read.value);
        prop_assert_eq!(back, value, "{}", text);
    }
}
