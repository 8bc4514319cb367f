//! Small graphs with known answers.

use std::sync::Arc;

use super::super::amendments::State;
use super::super::neighbourhood::Around;
use super::super::pagerank::Walk;
use super::super::paths::{Link, Search};
use super::super::timeline::Item;
use super::super::{Network, Node, Synonym};
use super::{entity, graph, key, passage, piece, said, saying};

#[test]
fn an_empty_graph_answers_with_nothing() {
    let snapshot = Network::new().settle();
    assert_eq!(snapshot.passage_count(), 0);
    let ranking = snapshot.pagerank(&[(entity("a"), 1.0)], &Walk::default());
    assert_eq!((ranking.passages.len(), ranking.entities.len()), (0, 0));
    assert_eq!(ranking.unknown, [entity("a")]);
    let page = snapshot.neighbourhood(&[entity("a")], &Around::default(), 0);
    assert_eq!((page.total, page.next), (0, None));
    let paths = snapshot.paths(&entity("a"), &entity("b"), &Search::default());
    assert_eq!(paths.unknown, [entity("a"), entity("b")]);
    assert!(!snapshot.timeline(&key("a"), 0, 10).known);
    assert_eq!(snapshot.history(&key("a"), None).state, State::Original);
}

#[test]
fn a_node_without_edges_keeps_the_walk() {
    let snapshot = graph(vec![piece("s", &[""])]);
    let ranking = snapshot.pagerank(&[(passage("s", 0), 3.0)], &Walk::default());
    assert_eq!(ranking.passages.len(), 1);
    assert!((ranking.passages[0].1 - 1.0).abs() < 1e-12);
}

#[test]
fn what_is_near_the_seed_comes_first_and_what_is_not_connected_never() {
    let snapshot = graph(vec![
        piece("one", &["Ada,Bob"]),
        piece("two", &["Bob,Cy"]),
        piece("far", &["Dora,Eve"]),
    ]);
    let ranking = snapshot.pagerank(&[(entity("Ada"), 1.0)], &Walk::default());
    let sources: Vec<&str> = ranking
        .passages
        .iter()
        .map(|(passage, _)| passage.source.as_str())
        .collect();
    assert_eq!(sources, ["one", "two"]);
    let scores = ranking.passages.iter().map(|(_, score)| score);
    let sum: f64 = scores.sum::<f64>() + ranking.entities.iter().map(|one| one.1).sum::<f64>();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

#[test]
fn a_name_that_everything_names_carries_less() {
    let mut pieces = vec![piece("start", &["Seed,Hub,Rare"]), piece("rare", &["Rare"])];
    for at in 0..50 {
        pieces.push(piece(&format!("hub{at}"), &["Hub"]));
    }
    let snapshot = graph(pieces);
    let ranking = snapshot.pagerank(&[(entity("Seed"), 1.0)], &Walk::default());
    let score = |name: &str| {
        let mut all = ranking.entities.iter();
        all.find(|(entity, _)| *entity == key(name)).unwrap().1
    };
    assert!(score("Rare") > score("Hub"));
}

#[test]
fn a_neighbourhood_comes_in_pages_and_says_what_it_left_out() {
    let pieces = (0..30).map(|at| piece(&format!("{at:02}"), &["Hub"]));
    let snapshot = graph(pieces.collect());
    let around = Around {
        hops: 1,
        fan_out: 20,
        limit: 8,
        ..Around::default()
    };
    let mut all = Vec::new();
    let mut position = Some(0);
    while let Some(at) = position {
        let page = snapshot.neighbourhood(&[entity("Hub")], &around, at);
        assert_eq!(page.total, 21);
        assert_eq!(page.left_out, [(entity("Hub"), 10)]);
        all.extend(page.nodes);
        position = page.next;
    }
    assert_eq!(all.len(), 21);
    assert_eq!(all[0].distance, 0);
    assert_eq!(all[1].node, passage("00", 0));
    assert_eq!(all[1].from, Some(entity("Hub")));
    assert_eq!(all[20].node, passage("19", 0));
}

#[test]
fn paths_say_what_connects() {
    let snapshot = graph(vec![
        piece("one", &["Ada,Bob"]),
        saying("two", vec![said("Bob", "knows", "Cy", None)]),
        piece("far", &["Dora"]),
    ]);
    let found = snapshot.paths(&entity("Ada"), &entity("Cy"), &Search::default());
    let best = &found.paths[0];
    let nodes: Vec<&Node> = best.hops.iter().map(|(_, node)| node).collect();
    assert_eq!(nodes, [&passage("one", 0), &entity("Bob"), &entity("Cy")]);
    assert_eq!(best.hops[0].0, Link::Mention(1));
    let Link::Statement(fact) = &best.hops[2].0 else {
        panic!("{best:?}");
    };
    assert_eq!(
        (fact.predicate.as_str(), fact.passage.source.as_str()),
        ("knows", "two")
    );
    // The other way leads over the passage that says so.
    assert_eq!(found.paths.len(), 2);
    assert!(found.paths[1].cost > best.cost);
    let none = snapshot.paths(&entity("Ada"), &entity("Dora"), &Search::default());
    assert!(none.paths.is_empty() && none.unknown.is_empty() && !none.gave_up);
}

#[test]
fn every_simple_path_is_found_in_the_order_of_its_cost() {
    // A square with a diagonal: a-b, b-d, a-c, c-d, b-c.
    let edges = [("a", "b"), ("b", "d"), ("a", "c"), ("c", "d"), ("b", "c")];
    let mut statements = Vec::new();
    for (at, (one, other)) in edges.iter().enumerate() {
        statements.push(saying(
            &format!("{at}"),
            vec![said(one, "knows", other, None)],
        ));
    }
    let snapshot = graph(statements);
    let search = Search {
        paths: 50,
        ..Search::default()
    };
    let found = snapshot.paths(&entity("a"), &entity("d"), &search);
    // Each of the four routes has each of its edges as a statement or over its passage.
    assert_eq!(found.paths.len(), 4 + 4 + 8 + 8);
    assert!(found.paths.is_sorted_by_key(|path| path.cost));
    let mut unlike: Vec<String> = found.paths.iter().map(|path| format!("{path:?}")).collect();
    unlike.sort_unstable();
    unlike.dedup();
    assert_eq!(unlike.len(), found.paths.len());
}

#[test]
fn a_timeline_has_what_is_undated_or_no_day_last() {
    let mut old = piece("old", &["Ada"]);
    old.document.date = Some("1999-01-02".to_owned());
    let snapshot = graph(vec![
        old,
        piece("undated", &["Ada"]),
        saying(
            "new",
            vec![
                said("Ada", "moved to", "Bonn", Some("2001-01-01")),
                said("Ada", "left", "Bonn", Some("2001-02-30")),
            ],
        ),
    ]);
    let timeline = snapshot.timeline(&key("Ada"), 0, 10);
    let days: Vec<Option<&str>> = timeline
        .events
        .iter()
        .map(|one| one.day.as_deref())
        .collect();
    assert_eq!(
        days,
        [Some("1999-01-02"), Some("2001-01-01"), None, None, None]
    );
    assert!(matches!(timeline.events[1].item, Item::Statement(_)));
    let rest = snapshot.timeline(&key("Ada"), 2, 2);
    assert_eq!((rest.total, rest.next, rest.events.len()), (5, Some(4), 2));
}

#[test]
fn a_section_stands_as_its_amendments_say_on_a_day() {
    let snapshot = graph(vec![
        saying("a1", vec![said("A 1", "modifies", "S", Some("2020-01-01"))]),
        saying("a2", vec![said("A 2", "replaces", "S", Some("2022-01-01"))]),
        saying(
            "a3",
            vec![said("A 3", "removes", "A 2", Some("2023-01-01"))],
        ),
    ]);
    let state = |on| snapshot.history(&key("S"), on).state;
    assert_eq!(state(Some("2019-01-01")), State::Original);
    assert_eq!(state(Some("2021-01-01")), State::Amended(vec![key("A 1")]));
    assert_eq!(state(Some("2022-01-01")), State::Replaced(key("A 2")));
    // What replaced it was removed.
    assert_eq!(state(None), State::Amended(vec![key("A 1")]));
    let history = snapshot.history(&key("S"), None);
    let said: Vec<&str> = history
        .amendments
        .iter()
        .map(|one| one.fact.subject.as_str())
        .collect();
    assert_eq!(said, ["a 1", "a 2", "a 3"]);
    assert!(!history.amendments[1].in_force);
}

#[test]
fn sections_that_change_each_other_are_reported() {
    let snapshot = graph(vec![saying(
        "s",
        vec![
            said("A", "modifies", "B", None),
            said("B", "modifies", "C", None),
            said("C", "modifies", "A", None),
            said("D", "modifies", "D", None),
        ],
    )]);
    let history = snapshot.history(&key("A"), None);
    assert_eq!(history.cyclic, [[key("A"), key("B"), key("C")]]);
    assert_eq!(history.state, State::Original);
    assert_eq!(snapshot.history(&key("D"), None).cyclic, [[key("D")]]);
}

#[test]
fn the_same_said_twice_is_one_and_what_is_said_of_itself_leads_nowhere() {
    let one = said("Ada", "is", "Ada", None);
    let snapshot = graph(vec![saying("s", vec![one.clone(), one])]);
    assert_eq!(snapshot.statements_of(&key("Ada"), 10).len(), 1);
    let page = snapshot.neighbourhood(&[entity("Ada")], &Around::default(), 0);
    assert_eq!(page.total, 2);
}

#[test]
fn synonyms_connect_as_long_as_both_are_there() {
    let mut network = Network::new();
    network.set_synonyms(vec![Synonym {
        one: key("Ada"),
        other: key("Countess"),
        similarity: 0.9,
    }]);
    network.insert(Arc::new(piece("one", &["Ada"])));
    network.insert(Arc::new(piece("two", &["Countess"])));
    let snapshot = network.settle();
    let found = snapshot.paths(&entity("Ada"), &entity("Countess"), &Search::default());
    assert_eq!(
        found.paths[0].hops,
        [(Link::Synonym(0.9), entity("Countess"))]
    );
    network.remove("two");
    let page = network.settle();
    let page = page.neighbourhood(&[entity("Ada")], &Around::default(), 0);
    assert_eq!(page.total, 2);
}
