//! What holds for any text.

use proptest::prelude::*;

use crate::extract::{named, piece};
use crate::piece::{Document, Passage};

/// Text as documents have it and as they do not: what every scanner looks for, cut anywhere.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        any::<String>(),
        "[A-Z][a-z]{1,8}",
        prop::sample::select(vec![
            " ",
            " ",
            " ",
            "\n",
            ". ",
            ", ",
            "\"",
            "“",
            "”",
            "(",
            ")",
            "[",
            "](",
            "[[",
            "]]",
            "`",
            "```",
            "'s ",
            "’s ",
            "-",
            " of ",
            " the ",
            " was ",
            "Section 3",
            " is replaced by ",
            "12 March 1998",
            "31 February 1998",
            "(WHO)",
            "World Health Organization ",
            "http://a.b/ü",
            "10.1000/é",
            "東京",
            "«",
            "»",
            "$3.5 million",
            "12 km",
            "a::b",
            "foo()",
            "İ",
            "ß",
            "ﬁ",
            "e\u{301}",
            "🎉",
            "\u{0}",
            "1998",
            "The ",
            "He ",
            " son of ",
            "Dr. ",
            "J. ",
            " directed by ",
            " (born ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn spans_stand_in_their_text_and_twice_is_the_same(title in texts(), texts in prop::collection::vec(texts(), 1..4), heading in texts()) {
        let passages: Vec<Passage> = texts.iter().map(|text| Passage { headings: vec![heading.clone()], text: text.clone(), span: 0..0 }).collect();
        let document = Document { source: title.clone(), title, date: None, passages };
        let once = piece(document.clone());
        for one in &once.mentions {
            let text = &texts[one.passage as usize];
            let written = text.get(one.span.start as usize..one.span.end as usize);
            prop_assert!(written.is_some(), "{one:?}");
            prop_assert!(one.span.is_empty() || written == Some(one.name.as_str()), "{one:?}");
        }
        for one in &once.statements {
            let text = &texts[one.passage as usize];
            prop_assert!(text.get(one.span.start as usize..one.span.end as usize).is_some(), "{one:?}");
            prop_assert!((0.0..=1.0).contains(&one.confidence), "{one:?}");
            prop_assert!(one.subject != one.object, "{one:?}");
        }
        prop_assert_eq!(once, piece(document));
    }

    #[test]
    fn known_names_stand_where_they_are_said_to(text in texts(), most in 0_usize..14) {
        for one in named(&text, &|_| true, most) {
            prop_assert_eq!(text.get(one.span.start as usize..one.span.end as usize), Some(one.name.as_str()));
        }
    }
}
