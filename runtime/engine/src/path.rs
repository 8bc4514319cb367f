//! Paths: names of activations, and of what they do.
//!
//! `draft` is a node of the graph, `draft#2` its second visit, `sections[3]` one item of a map,
//! `write/draft` a node of a subgraph. A slot is an activation, an attempt and a position:
//! `draft!1.4`.

use std::borrow::Cow;

/// The path of a node's visit.
pub(crate) fn node(scope: &str, name: &str, visit: u32) -> String {
    let mut path = String::with_capacity(scope.len() + name.len() + 4);
    if !scope.is_empty() {
        path.push_str(scope);
        path.push('/');
    }
    path.push_str(name);
    if visit > 1 {
        path.push('#');
        path.push_str(&visit.to_string());
    }
    path
}

/// The path of an item of a map.
pub(crate) fn item(map: &str, index: usize) -> String {
    format!("{map}[{index}]")
}

/// The place of an effect.
pub(crate) fn slot(path: &str, attempt: u32, index: u32) -> String {
    format!("{path}!{attempt}.{index}")
}

/// The attempt that a slot belongs to.
pub(crate) fn attempt_of(slot: &str) -> &str {
    slot.rsplit_once('.').map_or(slot, |(attempt, _)| attempt)
}

/// The place of the judgement of a call that an attempt makes.
pub(crate) fn judgement(slot: &str, call_id: &str) -> String {
    format!("{}@{call_id}", attempt_of(slot))
}

/// Whether a path, a slot, a judgement or the id of a question belongs to an activation.
pub(crate) fn is_inside(key: &str, path: &str) -> bool {
    key.strip_prefix(path).is_some_and(|rest| {
        path.is_empty() || rest.is_empty() || rest.starts_with(['!', '/', '[', '~'])
    })
}

/// The activation that a slot belongs to.
pub(crate) fn activation_of(slot: &str) -> &str {
    slot.split_once('!').map_or(slot, |(path, _)| path)
}

/// Graph, node and visit of an activation.
pub(crate) fn split(path: &str) -> (&str, &str, u32) {
    let (scope, last) = path.rsplit_once('/').unwrap_or(("", path));
    match last.split_once('#') {
        Some((name, visit)) => (scope, name, visit.parse().unwrap_or(1)),
        None => (scope, last, 1),
    }
}

/// What an activation lies in: of `a/b[2]` it is `a/b`, of `a` it is nothing.
pub(crate) fn around(path: &str) -> &str {
    let end = path.rfind(['/', '[']).unwrap_or(0);
    path.get(..end).unwrap_or_default()
}

/// The node of the definition: without visits and items.
pub(crate) fn definition_of(path: &str) -> Cow<'_, str> {
    if !path.contains(['#', '[', '~']) {
        return Cow::Borrowed(path);
    }
    let parts = path.split('/').map(|part| {
        let end = part.find(['#', '[', '~']).unwrap_or(part.len());
        part.get(..end).unwrap_or(part)
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart_as_they_were_put_together() {
        assert_eq!(node("", "a", 1), "a");
        assert_eq!(node("w#2", "a", 3), "w#2/a#3");
        assert_eq!(split("w#2/a#3"), ("w#2", "a", 3));
        assert_eq!(split("a"), ("", "a", 1));
        assert_eq!(definition_of("w#2/m[4]/a#3"), "w/m/a");
        let slot = slot("m[4]/a#3", 2, 7);
        assert_eq!(activation_of(&slot), "m[4]/a#3");
        assert_eq!(attempt_of(&slot), "m[4]/a#3!2");
        assert_eq!(
            (around("a/b[2]"), around("a/b"), around("a")),
            ("a/b", "a", "")
        );
    }
}
