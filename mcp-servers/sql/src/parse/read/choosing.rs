//! Which table or column words mean where they stand.

use crate::parse::form::At;
use crate::parse::lexicon::Measure;
use crate::parse::link::Link;
use crate::parse::read::Reader;
use crate::schema::Holds;

impl Reader<'_> {
    /// How far a table is from what is spoken of.
    pub(super) fn distance(&self, table: usize) -> f32 {
        if self.focus == Some(table) {
            return 0.0;
        }
        if self.subject() == Some(table) {
            return 0.2;
        }
        if self.mentioned.contains(&table) {
            return 0.5;
        }
        let near = |of: Option<usize>| of.is_some_and(|of| self.facts.neighbours(of, table));
        let bridged = |of: Option<usize>| of.is_some_and(|of| self.facts.bridged(of, table));
        if near(self.focus) {
            1.1
        } else if near(self.subject()) || bridged(self.focus) {
            1.2
        } else if bridged(self.subject()) {
            1.3
        } else if self.focus.is_none() && self.subject().is_none() {
            0.3
        } else {
            2.4
        }
    }

    /// One of several, by the tape; the costs need not be in order.
    pub(super) fn choose<T: Clone>(&mut self, mut ways: Vec<(T, f32)>) -> Option<T> {
        ways.sort_by(|one, two| one.1.total_cmp(&two.1));
        ways.truncate(4);
        let least = ways.first()?.1;
        let costs: Vec<f32> = ways.iter().map(|(_, cost)| (cost - least) * 1.6).collect();
        let way = self.tape.choose(&costs);
        // What even the best way costs beyond the distance of a neighbour is doubt.
        self.tape
            .pay((least - 1.3).max(0.0) + (least * 0.08).clamp(0.0, 0.08));
        ways.into_iter().nth(way).map(|(way, _)| way)
    }

    /// A column that words may be, where they stand.
    pub(super) fn column(&mut self, link: &Link, wanted: impl Fn(Holds) -> f32) -> Option<At> {
        let ways: Vec<(At, f32)> = link
            .columns
            .iter()
            .filter_map(|(at, score)| {
                let holds = self.facts.column(*at)?.holds;
                let cost = (1.0 - score) * 3.0 + self.distance(at.table) + wanted(holds);
                Some((*at, cost))
            })
            .collect();
        self.choose(ways)
    }

    /// A column of a table (or near it) that a measure is told by.
    pub(super) fn measured(
        &mut self,
        measure: Measure,
        focus: Option<usize>,
    ) -> Option<(At, bool)> {
        let focus = focus.or(self.focus).or(self.subject())?;
        let mut ways = Vec::new();
        for (rank, stem) in (0_u8..).zip(measure.stems()) {
            for at in self.facts.columns_by_stem.get(*stem).into_iter().flatten() {
                let column = self.facts.column(*at)?;
                let own = at.table == focus;
                if !own
                    && !self.facts.neighbours(at.table, focus)
                    && !self.mentioned.contains(&at.table)
                    || column.foreign
                {
                    continue;
                }
                let extra = column.stems.iter().filter(|own| own != stem);
                let table = self.facts.table(at.table)?;
                let extra = extra.filter(|own| !table.stems.contains(own)).count();
                let text = if column.holds.neither() { 0.5 } else { 0.0 };
                let extra = u8::try_from(extra).map_or(9.0, f32::from);
                let cost =
                    f32::from(rank).mul_add(0.35, extra * 0.4) + text + if own { 0.0 } else { 1.6 };
                ways.push(((*at, measure.turned(stem)), cost));
            }
        }
        self.choose(ways)
    }
}
