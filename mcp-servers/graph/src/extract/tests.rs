//! Whole documents: a contract and its amendment, an article, code, bad input.

mod properties;

use super::*;
use crate::piece::Passage;

fn document(title: &str, passages: &[(&[&str], &str)]) -> Document {
    Document {
        source: format!("docs/{title}.md"),
        title: title.to_owned(),
        date: None,
        passages: passages
            .iter()
            .map(|(headings, text)| Passage {
                headings: headings
                    .iter()
                    .map(|heading| (*heading).to_owned())
                    .collect(),
                text: (*text).to_owned(),
                span: 0..text.len() as u64,
            })
            .collect(),
    }
}

/// Subject, predicate and object of all that a text says.
fn says(title: &str, text: &str) -> Vec<String> {
    let piece = piece(document(title, &[(&[], text)]));
    piece
        .statements
        .iter()
        .map(|one| format!("{} | {} | {}", one.subject, one.predicate, one.object))
        .collect()
}

fn keys(title: &str, text: &str) -> Vec<(Kind, String)> {
    let piece = piece(document(title, &[(&[], text)]));
    piece
        .mentions
        .into_iter()
        .filter(|one| !one.span.is_empty())
        .map(|one| (one.kind, one.entity.to_string()))
        .collect()
}

#[test]
fn an_amendment_modifies_sections_of_its_contract() {
    let contract = piece(document(
        "Services Agreement",
        &[
            (&["1. Term"], "This Agreement runs for two years."),
            (
                &["3. Payment"],
                "The Client pays 500 euros as defined in Section 1 of this Agreement.",
            ),
        ],
    ));
    let section = "services agreement section 3";
    assert!(
        contract
            .mentions
            .iter()
            .any(|one| one.kind == Kind::Section && one.entity.as_str() == section)
    );
    assert!(contract.statements.iter().any(|one| {
        (
            one.subject.as_str(),
            one.predicate.as_str(),
            one.object.as_str(),
        ) == (section, "section of", "services agreement")
    }));
    assert!(contract.statements.iter().any(|one| {
        (
            one.subject.as_str(),
            one.predicate.as_str(),
            one.object.as_str(),
        ) == (section, "cites", "services agreement section 1")
    }));

    let amendment = piece(document(
        "Amendment No. 1",
        &[
            (
                &[],
                "This Amendment changes the Services Agreement (the \"Agreement\"). It is effective as of 1 May 2024.",
            ),
            (
                &["1. Payment"],
                "Section 3 of the Agreement is hereby deleted and replaced by the following text.",
            ),
            (
                &["2. Term"],
                "With effect from 1 June 2024, Section 1 of the Services Agreement is extended. Section 7 is repealed.",
            ),
        ],
    ));
    let changes: Vec<_> = amendment
        .statements
        .iter()
        .filter(|one| one.extractor == Extractor::Pattern && one.predicate != "cites")
        .map(|one| {
            (
                one.passage,
                one.subject.as_str(),
                one.predicate.as_str(),
                one.object.as_str(),
                one.valid_from.as_deref(),
            )
        })
        .collect();
    let may = Some("2024-05-01");
    assert_eq!(
        changes,
        [
            (0, "amendment no 1", "modifies", "services agreement", may),
            (1, "amendment no 1 section 1", "replaces", section, may),
            (
                2,
                "amendment no 1 section 2",
                "expands",
                "services agreement section 1",
                Some("2024-06-01")
            ),
            (
                2,
                "amendment no 1 section 2",
                "removes",
                "services agreement section 7",
                may
            ),
        ]
    );
}

#[test]
fn one_document_says_what_another_does_to_a_third() {
    assert_eq!(
        says(
            "Notes",
            "Document B section 3 modifies Document A section 4 until 31 December 2025."
        ),
        ["document b section 3 | modifies | document a section 4"]
    );
    assert_eq!(
        says(
            "Notes",
            "Article 6 of Regulation (EU) No 2016/679 was amended by Article 2 of Directive 2019/1."
        ),
        ["directive 2019 1 article 2 | modifies | regulation eu no 2016 679 article 6"]
    );
    assert_eq!(
        says(
            "Notes",
            "He changed the plan and removed the table. Prices were extended."
        ),
        [""; 0]
    );
}

#[test]
fn what_an_article_says_of_its_title() {
    assert_eq!(
        says(
            "Naked Tango",
            "Naked Tango is a 1991 drama film written and directed by Leonard Schrader and starring Mathilda May and Fernando Rey."
        ),
        [
            "naked tango | written by | leonard schrader",
            "naked tango | directed by | leonard schrader",
            "naked tango | starring | mathilda may",
            "naked tango | starring | fernando rey",
        ]
    );
    assert_eq!(
        says(
            "Lambert (count)",
            "Lambert( died 11 November 975) was the second son of Adalbert II and Bertha, daughter of Lothair II. He was born in Lucca."
        ),
        [
            "lambert | died on | 0975 11 11",
            "lambert | son of | adalbert ii",
            "lambert | son of | bertha",
            "bertha | daughter of | lothair ii",
            "lambert | born in | lucca",
        ]
    );
    assert_eq!(
        says(
            "Ada",
            "Ada (12 March 1934 – 3 May 1996) was a poet. The film was released on 2 May 1998. Her mother was Anna Byron."
        ),
        [
            "ada | born on | 1934 03 12",
            "ada | died on | 1996 05 03",
            "ada | released on | 1998 05 02",
            "ada | mother | anna byron"
        ]
    );
}

#[test]
fn what_is_not_clear_is_left_out() {
    assert_eq!(
        says(
            "Notes",
            "Paul Gross, whom nobody knew; then Anna Byron. Is it Rome or Paris? He did not visit Rome."
        ),
        [""; 0]
    );
    assert_eq!(
        says("Notes", "Paul Gross was not born in Calgary."),
        [""; 0]
    );
}

#[test]
fn a_surname_is_its_full_name_in_its_document() {
    let found = keys(
        "Due South",
        "The lead is Paul Gross. Later, Gross directed it. In Rome the Ford family met Harrison Ford.",
    );
    let gross = found.iter().filter(|(_, key)| key == "paul gross").count();
    assert_eq!(gross, 2, "{found:?}");
    assert!(!found.iter().any(|(_, key)| key == "gross"), "{found:?}");
}

#[test]
fn a_word_that_starts_a_sentence_is_a_name_where_the_document_says_so() {
    let found = keys("x", "Calgary lies there. Prices rose. He left Calgary.");
    assert_eq!(
        found.iter().filter(|(_, key)| key == "calgary").count(),
        2,
        "{found:?}"
    );
    assert!(!found.iter().any(|(_, key)| key == "prices"), "{found:?}");
}

#[test]
fn each_kind_is_found() {
    let found = keys(
        "x",
        "The World Health Organization (WHO) paid $3.5 million on 12 March 1998 for `parse_text` in [the list](list.md); see \"silent song\".",
    );
    for (kind, key) in [
        (Kind::Name, "world health organization"),
        (Kind::Acronym, "who"),
        (Kind::Quantity, "3 5 million dollars"),
        (Kind::Date, "1998 03 12"),
        (Kind::Code, "parse text"),
        (Kind::Link, "docs list md"),
        (Kind::Quoted, "silent song"),
    ] {
        assert!(
            found.contains(&(kind, key.to_owned())),
            "{kind:?} {key}: {found:?}"
        );
    }
    let said = says("x", "The World Health Organization (WHO) and [[Target]].");
    assert_eq!(
        said,
        [
            "world health organization | also known as | who",
            "x | links to | target"
        ]
    );
}

#[test]
fn dates_that_do_not_exist_and_empty_documents_add_nothing() {
    assert_eq!(keys("x", "on 31 February 1998"), []);
    let none = piece(document("", &[(&[], ""), (&["—"], "\u{0}\u{7} 🎉🎉")]));
    assert!(none.statements.is_empty());
    assert!(
        none.mentions.iter().all(|one| one.span.is_empty()),
        "{:?}",
        none.mentions
    );
}

#[test]
fn a_title_is_named_by_all_its_passages_and_all_its_forms() {
    let piece = piece(document(
        "The Beatles (band)",
        &[(&[], "one"), (&[], "two")],
    ));
    let titles: Vec<_> = piece
        .mentions
        .iter()
        .filter(|one| one.kind == Kind::Title)
        .map(|one| (one.passage, one.entity.as_str()))
        .collect();
    let forms = ["the beatles", "the beatles band", "beatles"];
    let wanted: Vec<_> = [0, 1]
        .iter()
        .flat_map(|passage| forms.map(|form| (*passage, form)))
        .collect();
    assert_eq!(titles, wanted);
}

#[test]
fn one_thing_named_many_times_is_kept_a_few_times() {
    let text = "met Paul Gross. ".repeat(20_000);
    let piece = piece(document("x", &[(&[], &text)]));
    assert_eq!(
        piece
            .mentions
            .iter()
            .filter(|one| one.entity.as_str() == "paul gross")
            .count(),
        MENTIONS
    );
}
