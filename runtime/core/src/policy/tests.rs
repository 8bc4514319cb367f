use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tool::{Permission, ToolHints};

fn subject<'a>(server: &'a str, tool: &'a str, arguments: &'a Value) -> Subject<'a> {
    Subject {
        server,
        tool,
        arguments,
        hints: ToolHints::default(),
        ours: false,
        vouched: false,
        exposure: &NOTHING,
    }
}

static NOTHING: Exposure = Exposure {
    untrusted: BTreeSet::new(),
    private: BTreeSet::new(),
    suspect: BTreeSet::new(),
};

fn exposed(untrusted: &[&str], private: &[&str]) -> Exposure {
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Exposure {
        untrusted: all(untrusted),
        private: all(private),
        suspect: BTreeSet::new(),
    }
}

fn parse(text: &str) -> Policy {
    Policy::parse(text, "policy.toml").unwrap()
}

fn refusal(text: &str) -> String {
    Policy::parse(text, "policy.toml").unwrap_err().to_string()
}

const WRITES: &str = r#"
[[rule]]
name = "writes-stay-in-the-project"
server = "files"
tools = ["write_*", "move"]
when = 'not args.path is startingwith("/project/")'
then = "deny"
why = "Files outside the project are left alone."

[[rule.example]]
server = "files"
tool = "write_file"
args = { path = "/etc/passwd" }
expect = "deny"

[[rule]]
name = "the-project-is-open"
server = "files"
then = "allow"
why = "It is what the agent is for."

[[rule.example]]
server = "files"
tool = "write_file"
args = { path = "/project/a.txt" }
expect = "allow"
"#;

#[test]
fn the_strictest_of_the_rules_that_apply_wins() {
    let policy = parse(WRITES);
    let inside = json!({"path": "/project/a"});
    let verdict = policy.judge(&subject("files", "write_file", &inside));
    assert_eq!(verdict.permission, Permission::Allow);
    let outside = json!({"path": "/home/a"});
    let verdict = policy.judge(&subject("files", "write_file", &outside));
    assert_eq!(verdict.permission, Permission::Deny);
    assert_eq!(
        verdict.summary(),
        "rule `writes-stay-in-the-project` of policy.toml: Files outside the project are left alone."
    );
    // Everything that was said is there to be explained.
    assert_eq!(verdict.reasons.len(), 2);
    // Neither rule speaks of other servers.
    let verdict = policy.judge(&subject("mail", "write_file", &outside));
    assert_eq!(verdict.permission, Permission::Ask);
}

#[test]
fn a_condition_that_cannot_be_checked_denies() {
    let policy = parse(WRITES);
    for arguments in [json!({}), json!({"path": null}), json!({"path": {"a": 1}})] {
        let verdict = policy.judge(&subject("files", "move", &arguments));
        assert_eq!(verdict.permission, Permission::Deny, "{arguments}");
    }
    let verdict = policy.judge(&subject("files", "move", &json!({})));
    assert!(
        verdict.summary().contains("cannot be checked"),
        "{}",
        verdict.summary()
    );
}

#[test]
fn without_rules_only_reading_in_our_own_servers_runs() {
    let policy = Policy::default();
    let nothing = json!({});
    let reads = ToolHints {
        read_only: true,
        ..ToolHints::default()
    };
    let of = |ours, hints| {
        let subject = Subject {
            ours,
            hints,
            ..subject("s", "t", &nothing)
        };
        policy.judge(&subject).permission
    };
    assert_eq!(of(true, reads), Permission::Allow);
    assert_eq!(of(true, ToolHints::default()), Permission::Ask);
    // Anyone can write that a tool only reads.
    assert_eq!(of(false, reads), Permission::Ask);
}

#[test]
fn names_in_a_servers_allow_are_taken_as_they_are() {
    let policy = Policy::default().allowing("a*", &["read[1]".to_owned()]);
    let nothing = json!({});
    let of = |server: &str, tool: &str| policy.judge(&subject(server, tool, &nothing)).permission;
    assert_eq!(of("a*", "read[1]"), Permission::Allow);
    assert_eq!(of("ab", "read[1]"), Permission::Ask);
    assert_eq!(of("a*", "read1"), Permission::Ask);
    let all = Policy::default().allowing("a", &["*".to_owned()]);
    let verdict = all.judge(&subject("a", "x/y.z", &nothing));
    assert_eq!(verdict.permission, Permission::Allow);
    let none = Policy::default().allowing("a", &[]);
    let verdict = none.judge(&subject("a", "x", &nothing));
    assert_eq!(verdict.permission, Permission::Ask);
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let rule = |more: &str| format!("[[rule]]\nname = \"r\"\nwhy = \"w\"\nthen = \"deny\"\n{more}");
    let example = "\n[[rule.example]]\nserver = \"s\"\ntool = \"t\"\nexpect = \"deny\"\n";
    parse(&rule(example));
    for (text, told) in [
        (rule(""), "no example that it applies to"),
        (
            rule("server = \"a\"") + example,
            "is to come out as deny, and is ask",
        ),
        (rule("server = \"[\"") + example, "the pattern `[`"),
        (
            rule("when = \"argz.x\"") + example,
            "names `argz`; there are: server, tool",
        ),
        (rule("when = \"(\"") + example, "`when`"),
        (rule("tools = []") + example, "`tools` is empty"),
        (rule("whe = \"x\"") + example, "unknown field `whe`"),
        (rule(example) + &rule(example), "another of this name"),
        (
            rule("").replace("\"w\"", "\" \"") + example,
            "`why` is empty",
        ),
        ("[[rule]]\nname = ".to_owned(), "line 2"),
        ("x".repeat(2 << 20), "are allowed"),
    ] {
        let error = refusal(&text);
        assert!(error.starts_with("policy.toml:"), "{error}");
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn an_example_is_judged_by_the_whole_file() {
    let broken = WRITES.replacen("expect = \"allow\"", "expect = \"ask\"", 1);
    let error = refusal(&broken);
    // The line of its name.
    assert!(error.starts_with("policy.toml:17: "), "{error}");
    assert!(
        error.contains("example 1 (`write_file` of `files`) is to come out as ask, and is allow"),
        "{error}"
    );
}

struct Says(Result<Option<(Permission, String)>, String>);

impl Inspector for Says {
    fn name(&self) -> &str {
        "a test"
    }

    fn inspect(&self, _: &Subject<'_>) -> Result<Option<(Permission, String)>, String> {
        self.0.clone()
    }
}

struct Panics;

impl Inspector for Panics {
    fn name(&self) -> &str {
        "one that panics"
    }

    fn inspect(&self, _: &Subject<'_>) -> Result<Option<(Permission, String)>, String> {
        panic!("at the worst moment");
    }
}

#[test]
fn an_inspector_that_fails_or_panics_denies() {
    let nothing = json!({});
    let open = Gate::new(Policy::default().allowing("s", &["*".to_owned()]));
    let judged = |gate: &Gate| gate.judge(&subject("s", "t", &nothing));
    assert_eq!(judged(&open).permission, Permission::Allow);
    let failing = open.clone().with(Arc::new(Says(Err("no idea".to_owned()))));
    let verdict = judged(&failing);
    assert_eq!(verdict.permission, Permission::Deny);
    assert_eq!(verdict.summary(), "a test: the check failed: no idea");
    assert_eq!(
        judged(&open.clone().with(Arc::new(Panics))).permission,
        Permission::Deny
    );
    let asks = Says(Ok(Some((Permission::Ask, "look".to_owned()))));
    assert_eq!(
        judged(&open.with(Arc::new(asks))).permission,
        Permission::Ask
    );
}

#[test]
fn private_data_does_not_leave_unasked_after_something_untrusted_was_read() {
    let nothing = json!({});
    let open = Gate::new(Policy::default().and(parse(
        "[[rule]]\nname = \"all\"\nthen = \"allow\"\nwhy = \"w\"\n[[rule.example]]\nserver = \
         \"s\"\ntool = \"t\"\nexpect = \"allow\"\n",
    )))
    .with(Arc::new(Outward));
    let closed = ToolHints {
        read_only: true,
        idempotent: true,
        destructive: false,
        open_world: false,
    };
    let ours = |server: &'static str, hints| Subject {
        ours: true,
        hints,
        ..subject(server, "t", &nothing)
    };
    let web = ours("web", ToolHints::default());
    let documents = ours("vector", closed);
    let files = subject("files", "read", &nothing);

    // Research on the web alone never asks.
    let mut run = Exposure::default();
    run.read(&web);
    assert_eq!(run, exposed(&["web"], &[]));
    let judged = |subject: Subject<'_>, exposure: &Exposure| {
        open.judge(&Subject {
            exposure,
            ..subject
        })
    };
    assert_eq!(judged(web, &run).permission, Permission::Allow);
    // Nor does looking into one's own documents, before or after.
    run.read(&documents);
    assert_eq!(run, exposed(&["web"], &["vector"]));
    assert_eq!(judged(documents, &run).permission, Permission::Allow);
    // But what was found there could now be sent out.
    let verdict = judged(web, &run);
    assert_eq!(verdict.permission, Permission::Ask);
    assert!(
        verdict.summary().contains("private data of `vector`"),
        "{}",
        verdict.summary()
    );
    // A server nobody vouches for is both, and may be used alone.
    let mut run = Exposure::default();
    run.read(&files);
    assert_eq!(run, exposed(&["files"], &["files"]));
    assert_eq!(judged(files, &run).permission, Permission::Allow);
    assert_eq!(judged(web, &run).permission, Permission::Ask);
    // What its server says of itself does not open the gate.
    let says_closed = Subject {
        hints: closed,
        ..subject("mail", "send", &nothing)
    };
    assert_eq!(judged(says_closed, &run).permission, Permission::Ask);
}

#[test]
fn nothing_changes_unasked_after_planted_orders_were_read() {
    let nothing = json!({});
    let open =
        Gate::new(Policy::default().allowing("s", &["*".to_owned()])).with(Arc::new(Planted));
    let read = Exposure {
        suspect: BTreeSet::from(["web".to_owned()]),
        ..Exposure::default()
    };
    let judged = |subject: Subject<'_>| open.judge(&subject);
    let writes = subject("s", "write", &nothing);
    assert_eq!(judged(writes).permission, Permission::Allow);
    let verdict = judged(Subject {
        exposure: &read,
        ..writes
    });
    assert_eq!(verdict.permission, Permission::Ask);
    assert!(verdict.needs_a_look(), "{verdict:?}");
    assert!(
        verdict.objections().contains("a result of `web`"),
        "{verdict:?}"
    );
    // What is vouched for as reading only goes on.
    let reads = Subject {
        exposure: &read,
        vouched: true,
        hints: ToolHints {
            read_only: true,
            ..ToolHints::default()
        },
        ..writes
    };
    assert_eq!(judged(reads).permission, Permission::Allow);
}

fn permissions() -> impl Strategy<Value = Permission> {
    prop::sample::select(vec![Permission::Allow, Permission::Ask, Permission::Deny])
}

/// A rule with an example that it applies to, whatever the other rules say.
fn rules() -> impl Strategy<Value = Policy> {
    let conditions = prop::sample::select(vec![
        "",
        "args.x > 3",
        "args.x == 1",
        "untrusted and private",
        "hints.destructive",
        "args.x is defined",
    ]);
    let patterns = prop::sample::select(vec!["*", "a", "b", "[ab]", "a*"]);
    let one = (patterns.clone(), patterns, conditions, permissions()).prop_map(
        |(server, tool, when, then)| {
            let text = written(server, tool, when, then);
            // A pattern that leaves its example out is refused.
            Policy::parse(&text, "p").unwrap_or_default()
        },
    );
    prop::collection::vec(one, 0..5)
        .prop_map(|all| all.into_iter().fold(Policy::default(), Policy::and))
}

fn written(server: &str, tool: &str, when: &str, then: Permission) -> String {
    let condition = if when.is_empty() {
        String::new()
    } else {
        format!("when = '{when}'\n")
    };
    let example = |x: i32| {
        format!(
            "[[rule.example]]\nserver = \"a\"\ntool = \"a\"\nargs = {{ x = {x} }}\n\
             untrusted = [\"c\"]\nprivate = [\"b\"]\nhints = {{ destructive = true }}\nexpect = \"{then}\"\n"
        )
    };
    let x = if when.contains("== 1") { 1 } else { 5 };
    format!(
        "[[rule]]\nname = \"r\"\nserver = \"{server}\"\ntools = [\"{tool}\"]\n{condition}then = \
         \"{then}\"\nwhy = \"w\"\n{}",
        example(x)
    )
}

prop_compose! {
    fn calls()(
        server in "[abc]", tool in "[abc]", x in prop::option::of(0..6), ours: bool, vouched: bool,
        untrusted in prop::collection::btree_set("[abc]", 0..3),
        private in prop::collection::btree_set("[abc]", 0..3),
        suspect in prop::collection::btree_set("[abc]", 0..2),
        read_only: bool, destructive: bool, open_world: bool, idempotent: bool,
    ) -> (String, String, Value, bool, bool, Exposure, ToolHints) {
        let arguments = x.map_or_else(|| json!({}), |x| json!({"x": x}));
        let hints = ToolHints { read_only, destructive, open_world, idempotent };
        (server, tool, arguments, ours, vouched, Exposure { untrusted, private, suspect }, hints)
    }
}

proptest! {
    #[test]
    fn adding_a_rule_that_does_not_allow_never_widens(
        before in rules(), added in rules(), call in calls(), then in permissions(),
    ) {
        let (server, tool, arguments, ours, vouched, exposure, hints) = &call;
        let subject = Subject {
            server, tool, arguments, hints: *hints, ours: *ours, vouched: *vouched, exposure,
        };
        let old = before.judge(&subject).permission;
        let new = before.clone().and(added.clone()).judge(&subject);
        let allows = |verdict: &Verdict| verdict.reasons.iter()
            .any(|reason| reason.permission == Permission::Allow && reason.by != "the default");
        // Only an explicit allow of the user's own can widen, and then only what merely asked.
        if new.permission < old {
            prop_assert!(allows(&new), "{new:?}");
            prop_assert_eq!(old, Permission::Ask);
        }
        // Nor does an inspector, whatever it says.
        let gate = Gate::new(before.clone());
        let inspected = gate.with(Arc::new(Says(Ok(Some((then, "so".to_owned()))))));
        prop_assert!(inspected.judge(&subject).permission >= old);
    }

    #[test]
    fn what_a_server_says_of_its_tools_counts_only_if_somebody_vouches_for_it(
        policy in rules(), call in calls(), other in calls(),
    ) {
        let (server, tool, arguments, _, _, exposure, hints) = &call;
        let silent = Subject {
            server, tool, arguments, ours: false, vouched: false, exposure,
            hints: ToolHints::default(),
        };
        let before = policy.judge(&silent);
        prop_assert_eq!(policy.judge(&Subject { hints: *hints, ..silent }), before.clone());
        prop_assert_eq!(policy.judge(&Subject { hints: other.6, ..silent }), before);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = Policy::parse(&text, "p");
    }
}
