//! What a channel holds while a graph runs.
//!
//! Writes join in the order of the graph, not in that of their arrival: each carries its place
//! ([`Place`]), and what has arrived is folded when somebody reads. The race check sees to it that
//! at that moment everything before the reader has arrived, and nothing after it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::definition::Reducer;
use super::ir::NodeId;
use super::plan::Plan;

/// Where in the run of a graph a write stands: for each loop around the node its place in the
/// order and its turn, from the outermost inwards, and the node's own place last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(Vec<u32>);

impl Place {
    /// The place of a node; `turn` gives the turn of a loop, from 1.
    pub(crate) fn new(plan: &Plan, node: NodeId, turn: impl Fn(usize) -> u32) -> Self {
        let around = plan.loops_around(node);
        let mut place = Vec::with_capacity(around.len() * 2 + 1);
        for index in around {
            if let Some(around) = plan.loops.get(*index) {
                place.push(plan.rank_of(around.header));
                place.push(turn(*index));
            }
        }
        place.push(plan.rank_of(node));
        Self(place)
    }
}

/// Rust functions that join values, by name.
pub trait Reducers: Send + Sync {
    /// The value after a write, or what is wrong.
    ///
    /// # Errors
    /// A sentence for people.
    fn reduce(&self, name: &str, current: Value, written: &Value) -> Result<Value, String>;
}

/// No functions at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReducers;

impl Reducers for NoReducers {
    fn reduce(&self, name: &str, _: Value, _: &Value) -> Result<Value, String> {
        Err(format!("there is no reducer function `{name}`"))
    }
}

/// What one channel holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelState {
    /// Everything that was folded, up to `folded`.
    value: Option<Arc<Value>>,
    /// Writes that are not folded yet, in order.
    pending: Vec<(Place, Arc<Value>)>,
}

impl ChannelState {
    pub(crate) fn new(value: Option<Arc<Value>>) -> Self {
        Self {
            value,
            pending: Vec::new(),
        }
    }

    /// Takes a write.
    pub(crate) fn write(&mut self, reducer: &Reducer, place: Place, value: Arc<Value>) {
        if *reducer == Reducer::Last && self.pending.last().is_none_or(|(last, _)| *last <= place) {
            self.pending.clear();
        }
        let at = self
            .pending
            .partition_point(|(earlier, _)| *earlier <= place);
        self.pending.insert(at, (place, value));
    }

    /// The value now. Folds what has arrived.
    ///
    /// # Errors
    /// What the reducer has to say of the values.
    pub(crate) fn read(
        &mut self,
        reducer: &Reducer,
        functions: &dyn Reducers,
    ) -> Result<Option<Arc<Value>>, String> {
        match (self.pending.len(), reducer) {
            (0, _) => return Ok(self.value.clone()),
            (_, Reducer::Last) => {
                self.value = self.pending.drain(..).next_back().map(|(_, value)| value);
                return Ok(self.value.clone());
            }
            _ => {}
        }
        let value = self.value.take();
        let mut value = value.map_or_else(|| empty(reducer), Arc::unwrap_or_clone);
        let pending = std::mem::take(&mut self.pending);
        for (_, written) in &pending {
            value = match fold(reducer, value, written, functions) {
                Ok(value) => value,
                Err(message) => {
                    self.pending = pending;
                    return Err(message);
                }
            };
        }
        let value = Arc::new(value);
        self.value = Some(Arc::clone(&value));
        Ok(Some(value))
    }

    /// The value without folding for good.
    pub(crate) fn peek(
        &self,
        reducer: &Reducer,
        functions: &dyn Reducers,
    ) -> Result<Option<Arc<Value>>, String> {
        self.clone().read(reducer, functions)
    }
}

/// What a reducer starts from.
fn empty(reducer: &Reducer) -> Value {
    match reducer {
        Reducer::Append | Reducer::Extend | Reducer::Union => Value::Array(Vec::new()),
        Reducer::Merge => Value::Object(Map::new()),
        _ => Value::Null,
    }
}

fn fold(
    reducer: &Reducer,
    current: Value,
    written: &Value,
    functions: &dyn Reducers,
) -> Result<Value, String> {
    match reducer {
        Reducer::Last => Ok(written.clone()),
        Reducer::Append => {
            let mut items = list(current)?;
            items.push(written.clone());
            Ok(Value::Array(items))
        }
        Reducer::Extend => {
            let mut items = list(current)?;
            items.extend(written_list(written)?.iter().cloned());
            Ok(Value::Array(items))
        }
        Reducer::Union => {
            let mut items = list(current)?;
            for item in written_list(written)? {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
            Ok(Value::Array(items))
        }
        Reducer::Merge => {
            let mut current = match current {
                Value::Object(_) => current,
                Value::Null => Value::Object(Map::new()),
                _ => return Err("`merge` needs an object to merge into".to_owned()),
            };
            if !written.is_object() {
                return Err("`merge` takes an object".to_owned());
            }
            merge(&mut current, written);
            Ok(current)
        }
        Reducer::Sum => match (&current, written) {
            (Value::Null, written) => number(written).map(Value::Number),
            (current, written) => {
                let (current, written) = (number(current)?, number(written)?);
                match (current.as_i64(), written.as_i64()) {
                    (Some(a), Some(b)) if a.checked_add(b).is_some() => {
                        Ok(Value::from(a.saturating_add(b)))
                    }
                    _ => Ok(Value::from(float(&current) + float(&written))),
                }
            }
        },
        Reducer::Max | Reducer::Min => {
            let new = number(written)?;
            if current.is_null() {
                return Ok(Value::Number(new));
            }
            let old = number(&current)?;
            let greater = float(&new) > float(&old);
            let takes = greater == (*reducer == Reducer::Max) && float(&new) != float(&old);
            Ok(Value::Number(if takes { new } else { old }))
        }
        Reducer::Function(name) => functions.reduce(name, current, written),
    }
}

fn list(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        _ => Err("the channel does not hold a list".to_owned()),
    }
}

fn written_list(value: &Value) -> Result<&[Value], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| "the reducer takes a list".to_owned())
}

fn number(value: &Value) -> Result<Number, String> {
    match value {
        Value::Number(number) => Ok(number.clone()),
        _ => Err("the reducer takes a number".to_owned()),
    }
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// Key by key, level by level; what is no object on both sides is replaced. The depth of a value
/// that came from JSON is bounded by its reader.
fn merge(current: &mut Value, written: &Value) {
    match (current, written) {
        (Value::Object(current), Value::Object(written)) => {
            for (key, value) in written {
                match current.get_mut(key) {
                    Some(old) => merge(old, value),
                    None => {
                        current.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (current, written) => *current = written.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn place(rank: u32) -> Place {
        Place(vec![rank])
    }

    fn folded(reducer: Reducer, writes: &[(u32, Value)]) -> Value {
        let mut state = ChannelState::default();
        for (rank, value) in writes {
            state.write(&reducer, place(*rank), Arc::new(value.clone()));
        }
        (*state.read(&reducer, &NoReducers).unwrap().unwrap()).clone()
    }

    #[test]
    fn writes_join_in_the_order_of_the_graph() {
        let late = [(2, json!("b")), (1, json!("a"))];
        assert_eq!(folded(Reducer::Append, &late), json!(["a", "b"]));
        assert_eq!(folded(Reducer::Last, &late), json!("b"));
        let objects = [
            (2, json!({"a": {"x": 2}})),
            (1, json!({"a": {"x": 1, "y": 1}})),
        ];
        assert_eq!(
            folded(Reducer::Merge, &objects),
            json!({"a": {"x": 2, "y": 1}})
        );
        assert_eq!(
            folded(Reducer::Union, &[(1, json!([1, 2])), (2, json!([2, 3]))]),
            json!([1, 2, 3])
        );
        assert_eq!(
            folded(Reducer::Max, &[(1, json!(2)), (2, json!(1))]),
            json!(2)
        );
        assert_eq!(
            folded(Reducer::Min, &[(1, json!(2)), (2, json!(1))]),
            json!(1)
        );
        assert_eq!(
            folded(Reducer::Sum, &[(1, json!(i64::MAX)), (2, json!(1))]).as_f64(),
            Some(2f64.powi(63))
        );
    }

    proptest! {
        /// However writes arrive, and whenever they are read between, the value is the same.
        #[test]
        fn arrival_does_not_matter(
            values in proptest::collection::vec(-1000_i64..1000, 1..12),
            shuffle in any::<u64>(),
        ) {
            for reducer in [Reducer::Append, Reducer::Sum, Reducer::Max, Reducer::Min] {
                let writes: Vec<(u32, Value)> =
                    values.iter().enumerate().map(|(rank, value)| (rank as u32, json!(value))).collect();
                let mut mixed = writes.clone();
                mixed.sort_by_key(|(rank, _)| u64::from(*rank).wrapping_add(1).wrapping_mul(shuffle | 1));
                prop_assert_eq!(folded(reducer.clone(), &writes), folded(reducer, &mixed));
            }
        }
    }
}
