//! Which passages name which entities, and which are about them.

use std::collections::HashMap;

use crate::name::Key;

/// Entities of passages, kept by slot.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    numbers: HashMap<Key, u32>,
    /// By number of the entity.
    keys: Vec<Key>,
    entities: Vec<Entity>,
    /// By slot.
    slots: Vec<Named>,
    /// Slots that are in use.
    count: usize,
}

/// Where an entity is named.
#[derive(Debug, Clone, Default)]
struct Entity {
    /// Slots that name it.
    named: Vec<u32>,
    /// Slots that are about it.
    about: Vec<u32>,
}

/// What a passage names.
#[derive(Debug, Clone, Default)]
struct Named {
    all: Box<[u32]>,
    about: Box<[u32]>,
}

impl Names {
    /// The passage in a slot, which was empty, names `all` and is about `about`, which are among
    /// them.
    pub(super) fn put<'a>(
        &mut self,
        slot: u32,
        all: impl Iterator<Item = &'a Key>,
        about: impl Iterator<Item = &'a Key>,
    ) {
        let mut about: Vec<u32> = about.map(|key| self.number(key)).collect();
        about.sort_unstable();
        about.dedup();
        let mut all: Vec<u32> = all.map(|key| self.number(key)).collect();
        all.extend(&about);
        all.sort_unstable();
        all.dedup();
        for number in &all {
            if let Some(entity) = self.entities.get_mut(*number as usize) {
                entity.named.push(slot);
            }
        }
        for number in &about {
            if let Some(entity) = self.entities.get_mut(*number as usize) {
                entity.about.push(slot);
            }
        }
        let at = slot as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at.saturating_add(1), Named::default);
        }
        if let Some(place) = self.slots.get_mut(at) {
            place.all = all.into_boxed_slice();
            place.about = about.into_boxed_slice();
        }
        self.count = self.count.saturating_add(1);
    }

    fn number(&mut self, key: &Key) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.entities.len() as u32;
        self.entities.push(Entity::default());
        self.keys.push(key.clone());
        self.numbers.insert(key.clone(), number);
        number
    }

    /// Empties a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(place) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let named = std::mem::take(place);
        for number in named.all {
            if let Some(entity) = self.entities.get_mut(number as usize) {
                entity.named.retain(|other| *other != slot);
                entity.about.retain(|other| *other != slot);
            }
        }
        self.count = self.count.saturating_sub(1);
    }

    /// The number of an entity that some passage names.
    pub(super) fn known(&self, key: &str) -> Option<u32> {
        let number = *self.numbers.get(key)?;
        (!self.named(number).is_empty()).then_some(number)
    }

    /// What an entity is called.
    pub(super) fn key(&self, entity: u32) -> Option<&Key> {
        self.keys.get(entity as usize)
    }

    /// Passages that name an entity.
    pub(super) fn named(&self, entity: u32) -> &[u32] {
        self.entities
            .get(entity as usize)
            .map_or(&[], |entity| &entity.named)
    }

    /// Passages that are about an entity.
    pub(super) fn about(&self, entity: u32) -> &[u32] {
        self.entities
            .get(entity as usize)
            .map_or(&[], |entity| &entity.about)
    }

    /// Entities that a passage names.
    pub(super) fn of(&self, slot: u32) -> &[u32] {
        self.slots.get(slot as usize).map_or(&[], |slot| &slot.all)
    }

    /// Entities that a passage is about.
    pub(super) fn topics(&self, slot: u32) -> &[u32] {
        self.slots
            .get(slot as usize)
            .map_or(&[], |slot| &slot.about)
    }

    /// How much it tells, from 0 to 1, that a passage names an entity: the fewer others do, the
    /// more.
    pub(super) fn telling(&self, entity: u32) -> f32 {
        let all = self.count.max(1) as f32;
        let named = self.named(entity).len().max(1) as f32;
        ((1.0 + all / named).ln() / (1.0 + all).ln()).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_named_no_more() {
        let key = |name: &str| Key::of(name).unwrap();
        let (oslo, bergen) = (key("Oslo"), key("Bergen"));
        let mut names = Names::default();
        names.put(0, [&oslo, &bergen].into_iter(), [&oslo].into_iter());
        names.put(1, [&bergen].into_iter(), std::iter::empty());
        let (first, second) = (
            names.known(oslo.as_str()).unwrap(),
            names.known(bergen.as_str()).unwrap(),
        );
        assert_eq!(names.about(first), [0]);
        assert_eq!(names.named(second), [0, 1]);
        assert!(names.telling(first) > names.telling(second));
        names.remove(0);
        assert_eq!(names.known(oslo.as_str()), None);
        assert_eq!(names.named(second), [1]);
        assert!(names.of(0).is_empty() && names.topics(0).is_empty());
    }
}
