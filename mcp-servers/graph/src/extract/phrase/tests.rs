//! Names by example.

use super::*;

fn of(text: &str) -> Vec<String> {
    let text = Text::of(text);
    let masked = vec![false; text.len()];
    names(&text, &masked)
        .into_iter()
        .filter(|one| !one.alias && !one.tentative)
        .map(|one| text.all[one.span].to_owned())
        .collect()
}

#[test]
fn names_hold_connectors_initials_and_hyphens() {
    assert_eq!(
        of("we saw Saving Private Ryan at the Bank of America"),
        ["Saving Private Ryan", "Bank of America"]
    );
    assert_eq!(
        of("by J. R. R. Tolkien and Ludwig van Beethoven"),
        ["J. R. R. Tolkien", "Ludwig van Beethoven"]
    );
    assert_eq!(
        of("in Stratford-upon-Avon with Jean-Luc Picard"),
        ["Stratford-upon-Avon", "Jean-Luc Picard"]
    );
    assert_eq!(
        of("of Saxe- Weimar, by Johnson & Johnson"),
        ["Saxe- Weimar", "Johnson & Johnson"]
    );
    assert_eq!(
        of("the University of the Arts near St. Maurice's Abbey"),
        ["University of the Arts", "St. Maurice's Abbey"]
    );
    assert_eq!(
        of("a German-born poet in the U.S. Navy"),
        ["German", "U.S. Navy"]
    );
    assert_eq!(
        of("the Thirty Years' War and AC/DC"),
        ["Thirty Years' War", "AC/DC"]
    );
    assert_eq!(
        of("on Apollo 11 for 20th Century Fox"),
        ["Apollo 11", "20th Century Fox"]
    );
}

#[test]
fn a_capital_at_the_start_of_a_sentence_makes_no_name() {
    assert_eq!(
        of("However, they left. The film won. In March it rained."),
        [""; 0]
    );
    assert_eq!(
        of("The Beatles met Elvis. He sang. Alterations came."),
        ["Beatles", "Elvis"]
    );
    assert_eq!(
        of("When Paul Gross left, Dr. Jones's dog barked."),
        ["Paul Gross", "Jones"]
    );
}

#[test]
fn a_line_in_capitals_is_no_name() {
    assert_eq!(of("CHAPTER ONE THE STORY\nshe met NATO there"), ["NATO"]);
}

#[test]
fn a_name_holds_others() {
    let keys = |text: &str| -> Vec<String> {
        let text = Text::of(text);
        let masked = vec![false; text.len()];
        names(&text, &masked)
            .into_iter()
            .map(|one| one.key.to_string())
            .collect()
    };
    assert_eq!(
        keys("met Lothair II of Lotharingia"),
        ["lothair ii of lotharingia", "lothair ii", "lotharingia"]
    );
    assert_eq!(keys("the 1998 World Cup"), ["1998 world cup", "world cup"]);
    assert_eq!(keys("met King Arthur"), ["king arthur", "arthur"]);
}

#[test]
fn scripts_without_capitals_give_no_names() {
    assert_eq!(of("东京大学位于日本。 هذا نص عربي"), [""; 0]);
}
