//! Entries go into any text and come out of it again, and nothing else in it changes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use proptest::prelude::*;
use ropewalk_clients::client::{Client, Form};
use ropewalk_clients::edit::{EditError, find, put, take};
use ropewalk_clients::entry::Entry;

fn entry(command: &str, args: &[&str]) -> Entry {
    Entry {
        name: "ropewalk".to_owned(),
        command: command.to_owned(),
        args: args.iter().map(ToString::to_string).collect(),
    }
}

fn ours() -> Entry {
    entry(
        "/opt/a \"b\"\\c/ropewalk",
        &["--directory", "/home/ada/é ü", "mcp"],
    )
}

fn json() -> Form {
    Client::VsCode.form()
}

fn toml() -> Form {
    Client::Codex.form()
}

/// Whether a text is another one with more in some places.
fn grown(old: &str, new: &str) -> bool {
    let mut new = new.chars();
    old.chars().all(|old| new.any(|new| new == old))
}

/// Whether a file holds anything but comments.
fn holds_something(text: &str) -> bool {
    let value = jsonc_parser::parse_to_value(text, &Default::default()).unwrap();
    matches!(value, Some(jsonc_parser::JsonValue::Object(object)) if !object.is_empty())
}

/// What may stand between two tokens of JSON with comments.
fn trivia() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "",
        "",
        " ",
        "\n",
        "\n    ",
        "\r\n\t",
        " // a \"note\", {really}\n",
        "/* one, two */",
        " /* over\n lines */ ",
    ])
    .prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "1",
        "-2.5e3",
        "true",
        "null",
        r#""words, // and {more}""#,
        r#""\u00e9\"\\""#,
        "[]",
        "{}",
    ])
    .prop_map(str::to_owned)
}

/// An object with these properties, laid out at random.
fn laid_out(properties: Vec<(String, BoxedStrategy<String>)>) -> BoxedStrategy<String> {
    let properties: Vec<_> = properties
        .into_iter()
        .map(|(key, value)| (trivia(), Just(key), trivia(), trivia(), value, trivia()))
        .collect();
    (properties, any::<bool>(), trivia())
        .prop_map(|(properties, trailing, end)| {
            let count = properties.len();
            let mut text = "{".to_owned();
            for (index, (a, key, b, c, value, d)) in properties.into_iter().enumerate() {
                text.push_str(&format!("{a}\"{key}\"{b}:{c}{value}{d}"));
                if index + 1 < count || trailing {
                    text.push(',');
                }
            }
            text + &end + "}"
        })
        .boxed()
}

fn object(depth: u32) -> BoxedStrategy<String> {
    let value = if depth == 0 {
        leaf().boxed()
    } else {
        prop_oneof![leaf(), object(depth - 1)].boxed()
    };
    (0usize..4)
        .prop_flat_map(move |count| {
            let keys = (0..count).map(|index| (format!("key{index}"), value.clone()));
            laid_out(keys.collect())
        })
        .boxed()
}

/// A settings file, with other servers in it or without.
fn json_file() -> impl Strategy<Value = String> {
    let servers = (1usize..3)
        .prop_flat_map(|count| {
            laid_out(
                (0..count)
                    .map(|index| (format!("other{index}"), object(1)))
                    .collect(),
            )
        })
        .boxed();
    let keys = ["editor.fontSize", "servers", "inputs"];
    let values = [object(2), servers, leaf().boxed()];
    let some = prop::sample::subsequence(keys.into_iter().zip(values).collect::<Vec<_>>(), 0..=3);
    let some = some.prop_flat_map(|chosen| {
        laid_out(
            chosen
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    });
    (trivia(), some, trivia()).prop_map(|(above, object, below)| format!("{above}{object}{below}"))
}

fn toml_file() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "# a note\n",
        "\n",
        "[profiles.fast]\nmodel = \"small\" # quick\n",
        "[mcp_servers.other]\ncommand = 'npx'\nargs = [\n  \"-y\", # yes\n  \"x\",\n]\n",
        "[mcp_servers.other.env]\nKEY = \"value\"\n",
        "[[rules]]\nwords = \"\"\"\n[mcp_servers.not]\n\"\"\"\n",
        "[[rules]]\n",
        "  [spaced.table]\n  key   =   1\n",
    ]);
    let top = prop::sample::select(vec![
        "",
        "model = \"large\"\n",
        "# top\nmodel.name = 'x'\n\n",
        "mcp_servers.dotted.command = \"npx\"\n",
    ]);
    (top, prop::collection::vec(piece, 0..7), any::<bool>())
        .prop_map(|(top, pieces, carriage)| {
            let text = top.to_owned() + &pieces.concat();
            if carriage {
                text.replace('\n', "\r\n")
            } else {
                text
            }
        })
        // Tables must not be there twice, nor be added to a dotted one in this way.
        .prop_filter("valid TOML", |text| text.parse::<::toml::Table>().is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn json_grows_by_the_entry_and_shrinks_back(text in json_file()) {
        let form = json();
        let with = put(&text, &form, &ours()).unwrap();
        prop_assert!(grown(&text, &with), "{text:?} became {with:?}");
        prop_assert_eq!(find(&with, &form, "ropewalk").unwrap(), Some(ours()));
        prop_assert_eq!(put(&with, &form, &ours()).unwrap(), with.clone());
        prop_assert_eq!(take(&text, &form, "ropewalk").unwrap(), text.clone());
        let without = take(&with, &form, "ropewalk").unwrap();
        if holds_something(&text) {
            prop_assert_eq!(without, text);
        } else {
            // Whether it was open over several lines cannot be seen any more.
            let dense = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(dense(&without), dense(&text));
        }
    }

    #[test]
    fn json_entries_are_renewed_in_place(text in json_file()) {
        let form = json();
        let with = put(&text, &form, &ours()).unwrap();
        let newer = entry("/usr/bin/ropewalk", &["server", "vector"]);
        let renewed = put(&with, &form, &newer).unwrap();
        prop_assert_eq!(&renewed, &put(&text, &form, &newer).unwrap());
        prop_assert_eq!(put(&renewed, &form, &ours()).unwrap(), with);
    }

    #[test]
    fn toml_grows_by_the_entry_and_shrinks_back(text in toml_file()) {
        let form = toml();
        let with = put(&text, &form, &ours()).unwrap();
        prop_assert!(grown(&text, &with), "{text:?} became {with:?}");
        prop_assert_eq!(find(&with, &form, "ropewalk").unwrap(), Some(ours()));
        prop_assert_eq!(put(&with, &form, &ours()).unwrap(), with.clone());
        prop_assert_eq!(take(&text, &form, "ropewalk").unwrap(), text.clone());
        prop_assert_eq!(take(&with, &form, "ropewalk").unwrap(), text);
    }

    #[test]
    fn no_text_makes_it_fail_otherwise_than_with_an_error(text in "\\PC{0,60}") {
        for client in Client::ALL {
            let _ = put(&text, &client.form(), &ours());
            let _ = take(&text, &client.form(), "ropewalk");
        }
    }
}

#[test]
fn a_file_is_made_in_every_clients_form() {
    let entry = entry("/usr/bin/ropewalk", &["--directory", "/work", "mcp"]);
    let made = |client: Client| put("", &client.form(), &entry).unwrap();
    assert_eq!(
        made(Client::VsCode),
        r#"{
  "servers": {
    "ropewalk": {
      "type": "stdio",
      "command": "/usr/bin/ropewalk",
      "args": ["--directory", "/work", "mcp"]
    }
  }
}
"#
    );
    assert_eq!(
        made(Client::Zed),
        r#"{
  "context_servers": {
    "ropewalk": {
      "command": "/usr/bin/ropewalk",
      "args": ["--directory", "/work", "mcp"]
    }
  }
}
"#
    );
    assert_eq!(
        made(Client::Codex),
        r#"[mcp_servers.ropewalk]
command = "/usr/bin/ropewalk"
args = ["--directory", "/work", "mcp"]
"#
    );
    for client in [Client::Cursor, Client::ClaudeCode] {
        assert_eq!(
            made(client),
            made(Client::VsCode).replace("servers", "mcpServers")
        );
    }
    assert_eq!(
        made(Client::ClaudeDesktop),
        made(Client::Zed).replace("context_servers", "mcpServers")
    );
}

#[test]
fn the_way_a_file_is_written_is_kept() {
    let short = entry("/bin/ropewalk", &["mcp"]);
    let cases = [
        // Tabs, a comment behind the last server.
        (
            "{\n\t\"servers\": {\n\t\t\"a\": {\"url\": \"x\"} // mine\n\t}\n}\n",
            "{\n\t\"servers\": {\n\t\t\"a\": {\"url\": \"x\"}, // mine\n\t\t\"ropewalk\": {\n\t\t\t\"type\": \"stdio\",\n\t\t\t\"command\": \"/bin/ropewalk\",\n\t\t\t\"args\": [\"mcp\"]\n\t\t}\n\t}\n}\n",
        ),
        // One line.
        (
            r#"{"servers": {"a": {}}}"#,
            r#"{"servers": {"a": {}, "ropewalk": {"type": "stdio", "command": "/bin/ropewalk", "args": ["mcp"]}}}"#,
        ),
        // Trailing commas, four spaces, carriage returns.
        (
            "{\r\n    \"servers\": {\r\n        \"a\": {},\r\n    },\r\n}\r\n",
            "{\r\n    \"servers\": {\r\n        \"a\": {},\r\n        \"ropewalk\": {\r\n            \"type\": \"stdio\",\r\n            \"command\": \"/bin/ropewalk\",\r\n            \"args\": [\"mcp\"]\r\n        },\r\n    },\r\n}\r\n",
        ),
        // A byte order mark.
        (
            "\u{feff}{}",
            "\u{feff}{\n  \"servers\": {\n    \"ropewalk\": {\n      \"type\": \"stdio\",\n      \"command\": \"/bin/ropewalk\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}",
        ),
        // Nothing but a comment.
        (
            "// mine",
            "// mine\n{\n  \"servers\": {\n    \"ropewalk\": {\n      \"type\": \"stdio\",\n      \"command\": \"/bin/ropewalk\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n",
        ),
    ];
    for (text, expected) in cases {
        let with = put(text, &json(), &short).unwrap();
        assert_eq!(with, expected);
    }
}

#[test]
fn what_a_user_added_to_an_entry_stays() {
    let text = r#"{
  "servers": {
    "ropewalk": {
      // it is slow to start
      "command": "/old/ropewalk", // moved
      "args": ["mcp"],
      "env": {"ROPEWALK_LOG": "info"}
    }
  }
}
"#;
    let renewed = put(text, &json(), &entry("/new/ropewalk", &["mcp"])).unwrap();
    let expected = text
        .replace("/old/", "/new/")
        .replace("\"info\"}\n", "\"info\"},\n      \"type\": \"stdio\"\n");
    assert_eq!(renewed, expected);

    let text = "[mcp_servers.ropewalk]\ncommand = '/old/ropewalk' # moved\nargs = [\"mcp\"]\nstartup_timeout_sec = 20\n";
    let renewed = put(text, &toml(), &entry("/new/ropewalk", &["mcp"])).unwrap();
    assert_eq!(
        renewed,
        text.replace("'/old/ropewalk'", "\"/new/ropewalk\"")
    );
}

#[test]
fn inline_and_dotted_tables_of_toml_take_entries() {
    let ours = ours();
    for text in [
        "mcp_servers = {}\n",
        "mcp_servers = { other = { command = \"npx\" } } # mine\n",
        "mcp_servers.other = { command = \"npx\" }\n\n[profiles]\n",
        "[mcp_servers]\nother = { command = \"npx\" }\n",
        "[mcp_servers]\n",
    ] {
        let with = put(text, &toml(), &ours).unwrap();
        assert_eq!(
            find(&with, &toml(), "ropewalk").unwrap().as_ref(),
            Some(&ours)
        );
        let without = take(&with, &toml(), "ropewalk").unwrap();
        let data = |text: &str| text.parse::<::toml::Table>().unwrap();
        assert_eq!(data(&without), data(text));
    }
}

#[test]
fn comments_around_an_entry_that_goes_stay() {
    let text = "a = 1\n\n# about our server\n\n# and more\n[mcp_servers.ropewalk]\ncommand = \"ropewalk\"\n\n# the next\n[b]\n";
    let without = take(text, &toml(), "ropewalk").unwrap();
    assert_eq!(
        without,
        "a = 1\n\n# about our server\n\n# and more\n\n# the next\n[b]\n"
    );
    let text =
        "{\"servers\": {\n  // first\n  \"ropewalk\": {\"command\": \"ropewalk\"}, \"b\": 1}}";
    let without = take(text, &json(), "ropewalk").unwrap();
    assert_eq!(without, "{\"servers\": {\n  // first\n   \"b\": 1}}");
}

#[test]
fn what_cannot_be_changed_is_refused_with_its_place() {
    let refused = |client: Client, text: &str| {
        let error = put(text, &client.form(), &ours()).unwrap_err();
        let taken = take(text, &client.form(), "ropewalk");
        assert!(taken.is_err() || taken == Ok(text.to_owned()));
        error
    };
    let place = |error: EditError| match error {
        EditError::Syntax { line, column, .. } => (line, column),
        other => panic!("{other}"),
    };
    assert_eq!(
        place(refused(Client::VsCode, "{\n  \"servers\" 1\n}")),
        (2, 13)
    );
    assert_eq!(place(refused(Client::Codex, "a = 1\nb = = 2\n")), (2, 5));
    assert_eq!(
        place(refused(Client::Codex, "a = 1\nb = \"é\" x\n")),
        (2, 9)
    );
    // Claude reads no comments.
    assert_eq!(
        place(refused(
            Client::ClaudeDesktop,
            "{\n  // mine\n  \"a\": 1\n}"
        )),
        (2, 3)
    );
    let says = |client, text, words: &str| {
        let error = refused(client, text).to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("nothing was changed"), "{error}");
    };
    says(Client::VsCode, "[]", "line 1: `the file` holds no table");
    says(
        Client::VsCode,
        "{\n\"servers\": []}",
        "line 2: `servers` holds no table",
    );
    says(
        Client::Codex,
        "\nmcp_servers = 1\n",
        "line 2: `mcp_servers` holds no table",
    );
    says(
        Client::Cursor,
        "{\"mcpServers\": {},\n\"mcpServers\": {}}",
        "line 2: `mcpServers` is there twice",
    );
    says(
        Client::Cursor,
        "{\"mcpServers\": {\"ropewalk\": {\"command\": \"npx\"}}}",
        "it starts npx",
    );
    says(
        Client::Codex,
        "[mcp_servers.ropewalk]\nurl = \"https://example.com\"\n",
        "it has no command",
    );
    says(Client::Codex, "a = 1\r\nb = 2\n", "end in different ways");
}
