//! Chunks respect structure, sizes, and lose nothing.

use proptest::prelude::*;

use super::*;
use crate::load;

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn settings(max_tokens: usize, overlap_tokens: usize) -> ChunkSettings {
    ChunkSettings {
        max_tokens,
        overlap_tokens,
        parent_tokens: max_tokens * 4,
    }
    .checked()
    .unwrap()
}

fn cut_text(name: &str, text: &str, settings: ChunkSettings) -> Vec<Chunk> {
    let document = load::from_text(name, text.to_owned()).unwrap();
    chunks(document, settings, &words)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn headings_stay_with_what_follows_and_their_path_is_kept() {
    let filler = "word ".repeat(30);
    let text = format!("# Guide\n\n{filler}\n\n## Install\n\n{filler}\n\n## Use\n\n{filler}\n");
    let chunks = cut_text("a.md", &text, settings(40, 5));
    assert_eq!(chunks.len(), 3);
    assert!(chunks[1].text.starts_with("## Install"));
    assert_eq!(chunks[2].heading_path, ["Guide", "Use"]);
    assert!(
        chunks
            .iter()
            .all(|chunk| !chunk.text.trim_end().ends_with("Use"))
    );
}

#[test]
fn small_sections_share_a_chunk() {
    let text = "# G\n\n## A\n\nOne.\n\n## B\n\nTwo.\n\n## C\n\nThree.\n";
    let chunks = cut_text("a.md", text, settings(60, 5));
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].heading_path, ["G"]);
}

#[test]
fn tables_lists_and_code_are_whole_unless_they_are_too_long() {
    let prose = "word ".repeat(25);
    let code = "```\nlet a = 1;\nlet b = 2;\n```";
    let text = format!("{prose}\n\n{code}\n\n{prose}\n");
    let chunks = cut_text("a.md", &text, settings(34, 3));
    assert!(
        chunks.iter().any(|chunk| chunk.text.contains(code)),
        "{chunks:#?}"
    );

    let rows: String = (0..40).map(|row| format!("| {row} | x |\n")).collect();
    let text = format!("| id | name |\n| --- | --- |\n{rows}");
    let chunks = cut_text("a.md", &text, settings(60, 3));
    assert!(chunks.len() > 2);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.text.starts_with("| id | name |")),
        "{chunks:#?}"
    );
}

#[test]
fn a_long_class_is_cut_between_its_methods() {
    let body = "        step one two three\n".repeat(4);
    let method = |name: &str| format!("    def {name}(self):\n{body}");
    let methods = ["one", "two", "three", "four"].map(method).join("\n");
    let text = format!("class Walk:\n{methods}");
    let chunks = cut_text("a.py", &text, settings(50, 5));
    assert!(chunks.len() > 1);
    for chunk in &chunks[1..] {
        assert!(chunk.text.trim_start().starts_with("def "), "{chunks:#?}");
        assert_eq!(chunk.heading_path, ["class Walk"]);
    }
}

#[test]
fn prose_overlaps_by_whole_sentences() {
    let text: String = (0..40)
        .map(|n| format!("Sentence number {n} is here. "))
        .collect();
    let chunks = cut_text("a.txt", &text, settings(50, 10));
    assert!(chunks.len() > 3);
    for pair in chunks.windows(2) {
        assert!(
            pair[1].overlap > 0 && pair[1].start < pair[0].end,
            "{pair:#?}"
        );
        assert!(pair[1].text.starts_with("Sentence number"));
    }
}

#[test]
fn parents_gather_neighbours() {
    let text: String = (0..100)
        .map(|n| format!("Sentence number {n} is here. "))
        .collect();
    let chunks = cut_text("a.txt", &text, settings(50, 0));
    assert_eq!(chunks[0].parent, 0);
    assert!(
        chunks
            .windows(2)
            .all(|pair| pair[1].parent - pair[0].parent <= 1)
    );
    let last = chunks.last().unwrap().parent;
    assert!(last > 0 && (last as usize) < chunks.len() / 2);
}

#[test]
fn an_endless_word_is_cut_by_characters() {
    let text = "x".repeat(1000);
    let document = load::from_text("a.txt", text.clone()).unwrap();
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let chunks: Vec<Chunk> = chunks(document, settings(100, 0), &letters)
        .map(Result::unwrap)
        .collect();
    assert!(chunks.iter().all(|chunk| chunk.text.len() <= 100));
    assert_eq!(
        chunks.iter().map(|chunk| chunk.text.len()).sum::<usize>(),
        1000
    );
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let bad = ChunkSettings {
        max_tokens: 100,
        overlap_tokens: 80,
        parent_tokens: 400,
    };
    assert!(
        bad.checked()
            .unwrap_err()
            .to_string()
            .contains("80 of overlap")
    );
}

#[test]
fn what_is_embedded_says_where_it_stands() {
    let path = ["Guide".to_owned(), "Use".to_owned()];
    let text = contextual_text("Guide", Some("2026-01-02"), &path, "Words.");
    assert_eq!(text, "Guide > Use (2026-01-02)\nWords.");
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_too_long(
        text in "((# [a-c]{1,3}\n\n)|(- [a-c ]{1,40}\n)|([a-c]{1,8}[.]? ){1,30}\n\n|```\n[a-c\n]{0,40}\n```\n){1,12}",
        max in 8_usize..40,
        format in prop::sample::select(vec!["a.md", "a.txt", "a.rst", "a.py"]),
    ) {
        let Ok(document) = load::from_text(format, text.clone()) else { return Ok(()) };
        let cut: Vec<Chunk> = chunks(document, settings(max, max / 4), &words)
            .map(Result::unwrap)
            .collect();
        for (number, chunk) in cut.iter().enumerate() {
            prop_assert_eq!(chunk.index as usize, number);
            prop_assert!(words(&chunk.text) <= max, "{} words in {:?}", words(&chunk.text), chunk);
            prop_assert!(chunk.start < chunk.end && chunk.end <= text.len() as u64);
        }
        let kept: Vec<&str> = cut
            .iter()
            .flat_map(|chunk| chunk.text[chunk.overlap..].split_whitespace())
            .collect();
        let mut wanted: Vec<&str> = text.split_whitespace().collect();
        for word in kept {
            if let Some(at) = wanted.iter().position(|other| *other == word) {
                wanted.remove(at);
            }
        }
        wanted.retain(|word| word.chars().any(char::is_alphabetic));
        prop_assert!(wanted.is_empty(), "lost {wanted:?}");
    }
}
