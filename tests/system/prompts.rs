//! `ropewalk prompts`, and prompts that declare their variables.

use crate::program::Place;

const GRAPH: &str = "name: write\nchannels: {topic: string, text: string}\ninput: [topic]\n\
                     nodes:\n  write: {model: {prompt: {file: letter}}, writes: text}\n";

#[test]
fn prompts_are_listed_with_versions_variables_and_where_they_are_from() {
    let place = Place::new();
    place.write("prompts/letter.md", "A letter about {{ topic }}.");
    place.write(
        "prompts/rewoo-plan.md",
        "---\nversion: 7\nvariables: {question: string}\n---\nPlan: {{ question }}\n",
    );
    let listed = place.json(&["prompts", "list", "--json"]);
    let prompt = |name: &str| {
        let prompts = listed["prompts"].as_array().unwrap();
        let found = prompts.iter().find(|prompt| prompt["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {listed}")).clone()
    };
    let shipped = prompt("answer-from-passages");
    assert_eq!(
        (&shipped["from"], &shipped["version"]),
        (&"shipped".into(), &1.into())
    );
    assert_eq!(
        shipped["variables"],
        serde_json::json!(["question", "passages"])
    );
    let changed = prompt("rewoo-plan");
    assert_eq!(
        (&changed["from"], &changed["version"]),
        (&"override".into(), &7.into())
    );
    let own = prompt("letter");
    assert_eq!(
        (&own["from"], &own["version"]),
        (&"user".into(), &serde_json::Value::Null)
    );
    assert_eq!(own["variables"], serde_json::json!(["topic"]));

    let outcome = place.run(&["prompts", "list"]);
    assert!(
        outcome
            .out
            .contains("rewoo-plan            version 7   ./prompts/rewoo-plan.md in place"),
        "{outcome:?}"
    );
}

#[test]
fn a_changed_prompt_is_shown_beside_the_shipped_one() {
    let place = Place::new();
    let outcome = place.run(&["prompts", "diff", "grade-passages"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), ""));
    assert!(outcome.err.contains("as shipped"), "{outcome:?}");

    let shipped = include_str!("../../prompts/grade-passages.md");
    let changed = shipped
        .replace("version: 1", "version: 2")
        .replace("None were found.", "Nothing.");
    place.write("prompts/grade-passages.md", &changed);
    let outcome = place.run(&["prompts", "diff", "grade-passages"]);
    for line in [
        "--- shipped prompts/grade-passages.md",
        "+++ ./prompts/grade-passages.md",
        "-version: 1\n+version: 2\n",
        "-None were found.\n+Nothing.\n",
    ] {
        assert!(outcome.out.contains(line), "{line}: {outcome:?}");
    }

    place.write("old.md", "One\nTwo\n");
    place.write("new.md", "One\nThree\n");
    let outcome = place.run(&["prompts", "diff", "old.md", "new.md"]);
    assert!(outcome.out.contains("-Two\n+Three"), "{outcome:?}");
    let outcome = place.run(&["prompts", "diff", "old.md", "old.md"]);
    assert!(outcome.err.contains("no difference"), "{outcome:?}");
    place
        .run(&["prompts", "diff", "grade"])
        .failed_saying("rewoo-plan");
}

#[test]
fn a_graph_does_not_load_a_prompt_that_breaks_its_word() {
    let place = Place::new();
    place.write("write.yaml", GRAPH);
    let check = |front: &str, text: &str| {
        place.write("prompts/letter.md", format!("---\n{front}\n---\n{text}\n"));
        let outcome = place.run(&["graph", "check", "write.yaml", "--no-tools"]);
        (outcome.code, outcome.out)
    };
    let sound = check("variables: {topic: string}", "About {{ topic }}.");
    assert_eq!(sound.0, Some(0), "{sound:?}");
    for (front, text, words) in [
        (
            "variables: {}",
            "About {{ topic }}.",
            "letter.md: line 4, column 10: `topic` is not among",
        ),
        (
            "variables: {topic: string, tone: string}",
            "About {{ topic }}.",
            "line 2, column 28: `tone` is declared",
        ),
        (
            "variables: {topic: array}",
            "About {{ topic }}.",
            "the prompt wants a list as `topic`",
        ),
        (
            "variables: {theme: string}",
            "About {{ theme }}.",
            "`theme` is no channel",
        ),
        ("versoin: 2", "About {{ topic }}.", "versoin"),
    ] {
        let (code, out) = check(front, text);
        assert_eq!(code, Some(1), "{front}: {out}");
        assert!(out.contains(words), "{words}: {out}");
    }
    let outcome = place.run(&["prompts", "list"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome
            .out
            .contains("CANNOT BE USED: ./prompts/letter.md: line 2"),
        "{outcome:?}"
    );
}
