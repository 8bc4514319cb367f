//! What words say.

use super::Asking;

#[test]
fn words_are_found_as_whole_words_whatever_their_capitals() {
    let asking = Asking::new("How many Singers don't sing in two halls?");
    assert!(asking.counts() && asking.asks_one_number() && asking.denies());
    assert!(asking.words.contains("singer") && asking.numbers.contains("2"));
    assert!(!asking.says(&["sin"]));
}

#[test]
fn different_from_asks_for_nothing_to_come_once() {
    assert!(Asking::new("Show the different names").says_different());
    assert!(!Asking::new("Whose home is different from his place?").says_different());
}

#[test]
fn ends_and_directions_are_told_where_they_are_said() {
    assert_eq!(Asking::new("the highest hill").end(), Some(true));
    assert_eq!(Asking::new("the fewest hills").end(), Some(false));
    assert_eq!(Asking::new("the oldest hill").end(), None);
    assert_eq!(Asking::new("in descending order").direction(), Some(true));
    assert_eq!(Asking::new("in order").direction(), None);
}

#[test]
fn what_holds_both_is_joined_by_and() {
    let asking = Asking::new("Who likes 'red wine' and also likes Beer?");
    assert!(asking.joins_by_and("red wine", "beer"));
    assert!(!Asking::new("Who likes wine or beer?").joins_by_and("wine", "beer"));
}

#[test]
fn a_number_of_things_is_no_key() {
    assert!(!Asking::new("Which city has the most number of parks?").asks_key());
    assert!(Asking::new("Give the ids of cities").asks_key());
    assert!(Asking::new("Give the flight numbers").asks_key());
}

#[test]
fn one_number_is_asked_for_only_without_groups() {
    assert!(!Asking::new("How many are there of each kind?").asks_one_number());
    assert!(Asking::new("Count the dogs").asks_one_number());
}
